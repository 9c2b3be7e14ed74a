// What is around every page: navigation, organizations, sign out.

import { html, nothing } from "../vendor/lit-html.js";
import { icon, logo } from "./icons.js";
import { closeMenu, menu } from "./menu.js";
import { roleLabel } from "./parts.js";
import { openShortcuts } from "./shortcuts.js";

/** @typedef {import("../lib/types.js").View} View */
/** @typedef {import("../lib/sessions.js").Session} Session */

/**
 * @typedef {object} Frame
 * @property {import("../lib/sessions.js").Sessions} sessions
 * @property {string} path the path of the page
 * @property {(session: Session) => void} onSwitch
 * @property {() => void} onAdd
 * @property {() => void} onSignOut
 * @property {() => void} onSignOutAll
 */

/** @param {Session} session @returns {[string, import("./icons.js").IconName, string][]} address, icon and text */
function links(session) {
  /** @type {[string, import("./icons.js").IconName, string][]} */
  const all = [];
  const { projectId } = session;
  if (session.may("read") && !projectId) all.push(["/overview", "overview", "Overview"], ["/keys", "key", "Keys"], ["/projects", "project", "Projects"]);
  if (session.may("read") && projectId) all.push([`/projects/${projectId}`, "project", "Keys"]);
  if (session.may("audit")) all.push(["/audit", "audit", "Audit log"]);
  if (session.may("organization") && !projectId) all.push(["/organization", "organization", "Organization"]);
  all.push(["/connect", "connect", "Connect"]);
  return all;
}

/**
 * @param {Frame} options
 * @param {View} page
 */
export function frame(options, page) {
  const session = /** @type {Session} */ (options.sessions.active);
  return html`<a class="skip" href="#main" @click=${skip}>Skip to the content</a>
    <div class="frame">
      <header class="side">
        <div class="brand">${logo()}<span>Keystead</span></div>
        ${organizations(options, session)}
        <button type="button" class="icon-button nav-button" popovertarget="nav" aria-label="Navigation">${icon("menu")}</button>
        <div id="nav" class="nav" popover>
          <nav aria-label="Pages">${links(session).map((link) => navLink(link, options.path))}</nav>
          <div class="nav-foot">
            <a class="me" href="#/access" @click=${() => closeMenu("nav")} aria-current=${options.path === "/access" ? "page" : nothing}>
              <bdi class="me-name">${session.apiKey.name}</bdi>
              <span class="muted">signed in as ${roleLabel(session.apiKey.role)}</span>
            </a>
            <button type="button" class="nav-link" @click=${openShortcuts}><kbd>?</kbd>Keyboard</button>
            <button type="button" class="nav-link" @click=${options.onSignOut}>${icon("signOut")}Sign out</button>
          </div>
        </div>
      </header>
      <main id="main" tabindex="-1">${page}</main>
    </div>`;
}

/** @param {Event} event */
function skip(event) {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

/** @param {[string, import("./icons.js").IconName, string]} link @param {string} path */
function navLink([to, name, text], path) {
  const isHere = path === to || path.startsWith(`${to}/`);
  return html`<a class="nav-link" href="#${to}" aria-current=${isHere ? "page" : nothing} @click=${() => closeMenu("nav")}
    >${icon(name)}${text}</a
  >`;
}

/** @param {Frame} options @param {Session} active */
function organizations({ sessions, onSwitch, onAdd, onSignOutAll }, active) {
  const button = html`<bdi class="organization-name">${active.name}</bdi>${icon("chevron")}`;
  const choose = (/** @type {() => void} */ action) => () => (closeMenu("organizations"), action());
  const content = html`${sessions.all.map(
      (session) =>
        html`<button type="button" class="menu-item" aria-current=${session === active ? "true" : nothing} @click=${choose(() => onSwitch(session))}>
          <span class="menu-text"><bdi>${session.name}</bdi><span class="muted"><bdi>${session.apiKey.name}</bdi></span></span>
          ${session === active ? icon("check") : nothing}
        </button>`,
    )}
    <hr />
    <button type="button" class="menu-item" @click=${choose(onAdd)}>${icon("plus")}Sign in to another organization</button>
    <button type="button" class="menu-item" @click=${choose(onSignOutAll)}>${icon("signOut")}Sign out of all</button>`;
  return menu({ id: "organizations", button, label: `Organization: ${active.name}`, content, kind: "organization" });
}
