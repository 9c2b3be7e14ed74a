// The console: sessions, the page that the address names, the frame around it, and the keyboard.

import { html, nothing, render } from "./vendor/lit-html.js";
import { Refused } from "./lib/api.js";
import { isServerDown } from "./lib/connection.js";
import { refresh, setDrawing } from "./lib/render.js";
import { go, location, match } from "./lib/router.js";
import { KEY_REPLACED, Session, Sessions } from "./lib/sessions.js";
import { accessPage } from "./pages/access.js";
import { auditPage } from "./pages/audit.js";
import { connectPage } from "./pages/connect.js";
import { keyPage } from "./pages/key.js";
import { keysPage } from "./pages/keys.js";
import { organizationPage } from "./pages/organization.js";
import { overviewPage } from "./pages/overview.js";
import { projectPage } from "./pages/project.js";
import { projectsPage } from "./pages/projects.js";
import { resetSignIn, signInView } from "./pages/sign-in.js";
import { dialogView, dismissDialog, dropDialog, isDialogOpen, showDrawnDialog } from "./ui/dialog.js";
import { frame } from "./ui/frame.js";
import { icon } from "./ui/icons.js";
import { empty, pageHead } from "./ui/parts.js";
import { openShortcuts } from "./ui/shortcuts.js";
import { toast } from "./ui/toast.js";

/** @typedef {import("./lib/types.js").Page} Page */
/** @typedef {import("./lib/types.js").Context} Context */

const app = /** @type {HTMLElement} */ (document.getElementById("app"));
const dialogs = /** @type {HTMLElement} */ (document.getElementById("dialogs"));
const sessions = new Sessions();

/** Pages by their address, and the task that the key's role must permit. @type {[string, import("./lib/roles.js").Task | undefined, (context: Context) => Page][]} */
const PAGES = [
  ["/overview", "read", overviewPage],
  ["/keys", "read", keysPage],
  ["/keys/:id", undefined, keyPage],
  ["/projects", "read", projectsPage],
  ["/projects/:projectId", "read", projectPage],
  ["/projects/:projectId/keys/:id", undefined, keyPage],
  ["/audit", "audit", auditPage],
  ["/organization", "organization", organizationPage],
  ["/connect", undefined, connectPage],
  ["/access", undefined, accessPage],
];

/** @type {{ page: Page, path: string, leave: AbortController } | undefined} */
let current;
/** What the sign-in shows: that a key is not valid any more, or that another organization is added. @type {{ sentence: string, isAdding: boolean, isWaiting: boolean }} */
let signIn = { sentence: "", isAdding: false, isWaiting: false };

function draw() {
  render(view(), app);
  render(dialogView(), dialogs);
  showDrawnDialog(dialogs);
  const title = sessions.active && !signIn.isAdding ? current?.page.title : "Sign in";
  document.title = `${title ? `${title} · ` : ""}Keystead`;
}

function view() {
  const down = isServerDown()
    ? html`<p class="banner" role="alert">${icon("warning")} The server does not answer. The console goes on when it is back.</p>`
    : nothing;
  if (signIn.isWaiting) return html`${down}<main class="sign-in" aria-busy="true"></main>`;
  if (!sessions.active || signIn.isAdding) {
    const back = sessions.active ? cancelSignIn : undefined;
    return html`${down}${signInView({ sentence: signIn.sentence, onSession: enter, makeSession, onCancel: back })}`;
  }
  const path = current?.path ?? "";
  const actions = { onSwitch: switchTo, onAdd: addOrganization, onSignOut: signOut, onSignOutAll: signOutAll };
  return html`${down}${frame({ sessions, path, ...actions }, current?.page.view() ?? nothing)}`;
}

/** @param {string} key @param {boolean} isRemembered */
function makeSession(key, isRemembered) {
  return new Session(key, isRemembered, becomeInvalid);
}

/** A key that is signed in is not valid any more. @param {Session} session @param {string} sentence */
function becomeInvalid(session, sentence) {
  if (!sessions.all.includes(session)) return;
  const isShown = session === sessions.active && !signIn.isAdding;
  const { name, value } = session.apiKey;
  const ended = `the key “${name}” (…${value.slice(-6)}) of ${session.name} is no longer accepted.`;
  sessions.remove(session);
  if (!isShown) {
    toast(`One session has ended: ${ended}`);
    signIn.isAdding &&= sessions.all.length > 0;
    return refresh();
  }
  dropDialog();
  signIn = { ...signIn, sentence: `You were signed out: ${ended} ${sentence}`, isAdding: sessions.all.length > 0 };
  openPage();
}

/** @param {Session} session */
function enter(session) {
  sessions.add(session);
  signIn = { ...signIn, sentence: "", isAdding: false };
  openPage();
}

function cancelSignIn() {
  resetSignIn();
  // After a session has ended, the address is that of its page.
  const hasEnded = signIn.sentence !== "";
  signIn = { ...signIn, sentence: "", isAdding: false };
  if (hasEnded && sessions.active) showHome(sessions.active);
  else openPage();
}

/** @param {Session} session */
function switchTo(session) {
  if (session === sessions.active) return;
  sessions.active = session;
  sessions.store();
  showHome(session);
}

/** @param {Session} session */
function showHome(session) {
  if (window.location.hash === home(session)) openPage();
  else go(home(session));
}

function addOrganization() {
  signIn = { ...signIn, sentence: "", isAdding: true };
  openPage();
}

function signOut() {
  if (sessions.active) sessions.remove(sessions.active);
  if (sessions.active) showHome(sessions.active);
  else leaveAddress();
}

function signOutAll() {
  sessions.clear();
  leaveAddress();
}

/** The next one who signs in does not land on the last one's page. */
function leaveAddress() {
  resetSignIn();
  history.replaceState(null, "", window.location.pathname + window.location.search);
  openPage();
}

/** The first page for this key. @param {Session} session */
function home(session) {
  if (!session.may("read")) return "#/access";
  return session.projectId ? `#/projects/${session.projectId}` : "#/overview";
}

/** Opens the page that the address names. */
function openPage() {
  current?.leave.abort();
  current = undefined;
  const session = sessions.active;
  if (!session || signIn.isAdding) {
    refresh();
    return focusSoon("[data-focus]");
  }
  const at = location();
  if (at.path === "/") {
    history.replaceState(null, "", home(session));
    return openPage();
  }
  const leave = new AbortController();
  current = { page: makePage(session, at, leave.signal), path: at.path, leave };
  window.scrollTo(0, 0);
  refresh();
  focusSoon("h1");
}

/** Puts the focus on the first such element, after the page is drawn. @param {string} selector */
function focusSoon(selector) {
  queueMicrotask(() => {
    const element = app.querySelector(selector);
    if (element instanceof HTMLElement && !isDialogOpen()) element.focus({ preventScroll: true });
  });
}

/**
 * @param {Session} session
 * @param {import("./lib/router.js").Location} at
 * @param {AbortSignal} signal
 * @returns {Page}
 */
function makePage(session, { path, query }, signal) {
  for (const [pattern, task, make] of PAGES) {
    const params = match(pattern, path);
    if (!params) continue;
    if (!isReachable(session, path)) return sentencePage("This key belongs to a project and sees only its project.", session);
    if (task && !session.may(task)) return sentencePage(`A key with the role ${session.apiKey.role} may not see this page.`, session);
    return make({ session, params, query, signal });
  }
  return sentencePage("There is no such page.", session);
}

/** Whether a page is in the reach of the key: a project's key sees its project. @param {Session} session @param {string} path */
function isReachable({ projectId }, path) {
  if (!projectId) return true;
  const own = `/projects/${projectId}`;
  return path === own || path.startsWith(`${own}/`) || path === "/connect" || path === "/access";
}

/** @param {string} sentence @param {Session} session @returns {Page} */
function sentencePage(sentence, session) {
  const link = html`<a class="button" href=${home(session)}>Go back to the start</a>`;
  return { title: "Not here", view: () => html`${pageHead("Not here")}${empty(sentence, link)}` };
}

/** Shortcuts, while nobody writes a text. @param {KeyboardEvent} event */
function onKey(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  const isWriting = target.closest("input, textarea, select, [contenteditable]") !== null;
  if (event.ctrlKey || event.metaKey || event.altKey || isWriting || isDialogOpen() || !sessions.active) return;
  if (event.key === "/") {
    const search = app.querySelector("[data-search]");
    if (!(search instanceof HTMLElement)) return;
    event.preventDefault();
    search.focus();
  } else if (event.key === "n" && current?.page.create) {
    event.preventDefault();
    current.page.create();
  } else if (event.key === "?") {
    openShortcuts();
  }
}

/** Signs in with the keys that this tab remembers. */
async function resume() {
  const keys = sessions.remembered();
  if (keys.length === 0) return;
  signIn.isWaiting = true;
  refresh();
  for (const key of keys) {
    const session = new Session(key, true, becomeInvalid);
    try {
      await session.identify();
      sessions.markChecked(key);
      sessions.add(session);
    } catch (error) {
      signIn.sentence = /** @type {Error} */ (error).message;
      if (error instanceof Refused && error.status === 401) sessions.markChecked(key);
    }
  }
  sessions.store();
  signIn.isWaiting = false;
}

setDrawing(draw);
window.addEventListener("hashchange", () => {
  dismissDialog();
  openPage();
});
window.addEventListener("keydown", onKey);
window.addEventListener(KEY_REPLACED, () => sessions.store());
// Relative times go on.
setInterval(refresh, 30_000);
await resume();
openPage();
