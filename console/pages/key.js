// The page of one key.

import { html, nothing } from "../vendor/lit-html.js";
import { Refused } from "../lib/api.js";
import { now } from "../lib/clock.js";
import { tail } from "../lib/format.js";
import { isRotating, keyHref, keysHref, keysPath, stateOf } from "../lib/keys.js";
import { repeat, resource } from "../lib/resource.js";
import { mayManage } from "../lib/roles.js";
import { openChange } from "../ui/change-key.js";
import { icon } from "../ui/icons.js";
import { openActivate, openDeactivate, openRevoke } from "../ui/key-actions.js";
import { factsCard, valueCard } from "../ui/key-facts.js";
import { isOwn } from "../ui/key-target.js";
import { keyUse, useCard } from "../ui/key-use.js";
import { card, crumb, empty, given, loaded, pageHead, skeleton, stateLabels } from "../ui/parts.js";
import { openRotate } from "../ui/rotate-key.js";
import { rotationPanel } from "../ui/rotation-panel.js";
import { Timeline } from "../ui/timeline.js";

/** @typedef {import("../lib/types.js").ApiKey} ApiKey */
/** @typedef {import("../lib/types.js").Context} Context */
/** @typedef {import("../lib/types.js").Project} Project */
/** @typedef {import("../lib/types.js").Page} Page */
/** @typedef {import("../lib/types.js").View} View */
/** @typedef {import("../ui/key-target.js").Target} Target */

const ROTATION_MS = 2_000;

/** @param {Context} context @returns {Page} */
export function keyPage(context) {
  const { session, params, signal } = context;
  const projectId = params.projectId ?? null;
  const isPossible = /^[1-9]\d{0,15}$/.test(params.id ?? "") && (projectId === null || /^[\w-]+$/.test(projectId));
  if (!isPossible) return { title: "Key", view: () => notFound(context, projectId) };
  const id = Number(params.id);
  const path = `${keysPath(projectId)}/${id}`;
  const read = pausableReads(context);
  /** @type {Target} */
  const target = { session, projectId, id, path, pause: read.pause, resume };
  const key = resource(async () => {
    const data = /** @type {ApiKey} */ (await read.get(path));
    if (isOwn(target)) session.apiKey = data;
    self.title = data.name;
    return data;
  });
  const project = projectId && session.may("read") ? resource(() => /** @type {Promise<Project>} */ (read.get(`v2/projects/${projectId}`))) : undefined;
  const use = session.may("read") ? keyUse(signal, (below, query) => read.get(`${path}${below}`, query)) : undefined;
  const life = session.may("audit") ? new Timeline(read.get, `api_key/${id}`) : undefined;

  function resume() {
    read.resume();
    key.reload();
    use?.reload();
    life?.reload();
  }
  // Also once after the end of the grace period, for what the server then says.
  repeat(signal, ROTATION_MS, () => (read.isPaused() || !key.data?.rotatesAt ? undefined : key.reload()));
  const above = () => crumbView(context, projectId, project?.data);
  /** @type {Page} */
  const self = {
    title: "Key",
    view: () => {
      const status = key.error instanceof Refused ? key.error.status : 0;
      if (status === 404) return html`${notFound(context, projectId)}${life ? life.view() : nothing}`;
      if (status === 403 && !key.data) return html`${pageHead("Key", { above: above() })}${empty(key.error?.message ?? "", firstLink(context, projectId))}`;
      if (!key.data) return html`${pageHead("Key", { above: above() })}${loaded(key, () => nothing, waiting())}`;
      return keyView(target, key.data, above(), { use: use && useCard(use), life: life?.view() });
    },
  };
  return self;
}

/** Reads that end when they are paused. @param {Context} context */
function pausableReads({ session, signal }) {
  let reads = new AbortController();
  return {
    isPaused: () => reads.signal.aborted,
    pause: () => reads.abort(),
    resume: () => (reads = new AbortController()),
    /** @type {(path: string, query?: import("../lib/api.js").Query) => Promise<any>} */
    get: (path, query) => session.api.get(path, query, AbortSignal.any([signal, reads.signal])),
  };
}

/** @param {Context} context @param {string | null} projectId @param {Project} [project] */
function crumbView({ session }, projectId, project) {
  if (!session.may("read")) return crumb("#/access", "Your access");
  return crumb(keysHref(projectId), projectId ? (project?.name ?? "Project") : "Keys");
}

/** @param {Context} context @param {string | null} projectId */
function firstLink({ session }, projectId) {
  if (!session.may("read")) return html`<a class="button" href=${keyHref(session.projectId, session.apiKey.id)}>Go to your own key</a>`;
  return html`<a class="button" href=${keysHref(session.projectId ?? projectId)}>Go to the list of keys</a>`;
}

/** @param {Context} context @param {string | null} projectId */
function notFound(context, projectId) {
  return html`${pageHead("No such key")}${empty("There is no key with this number here. It was never created, it is elsewhere, or it was revoked.", firstLink(context, projectId))}`;
}

/** Room for the cards. */
function waiting() {
  return html`<div class="key-page">
    <div>${card("Details", skeleton(12))}</div>
    <div>${card("Use", skeleton(8))}</div>
  </div>`;
}

/**
 * @param {Target} target
 * @param {ApiKey} key
 * @param {View} above
 * @param {{ use?: View, life?: View }} parts
 */
function keyView(target, key, above, { use, life }) {
  const { session } = target;
  const canChange = mayManage(session.apiKey.role, key.role);
  const rotates = isRotating(key, now());
  const about = html`<span class="key-about"
    >${stateLabels(key)}<code>${tail(key.value)}</code>${isOwn(target) ? html`<span>You are signed in with this key.</span>` : nothing}</span
  >`;
  return html`${pageHead(given(key.name), { above, about, actions: canChange ? headActions(target, key) : nothing })} ${stateNotice(key)}
    ${canChange || !session.may("manage") ? nothing : html`<p class="notice info key-notice"><span>Only an admin may change a key with the role admin.</span></p>`}
    ${rotates ? rotationPanel(target, key, canChange) : nothing}
    <div class="key-page ${use || life ? "" : "alone"}">
      <div>${factsCard(target, key)}${rotates ? nothing : valueCard(key, canChange)}</div>
      ${use || life ? html`<div>${use ?? nothing}${life ?? nothing}</div>` : nothing}
    </div>`;
}

/** @param {Target} target @param {ApiKey} key */
function headActions(target, key) {
  const power = key.valid
    ? html`<button type="button" class="button" @click=${() => openDeactivate(target, key)}>${icon("power")}Deactivate</button>`
    : html`<button type="button" class="button" @click=${() => openActivate(target, key)}>${icon("power")}Activate</button>`;
  return html`<button type="button" class="button" @click=${() => openChange(target, key)}>${icon("edit")}Change</button>
    <button type="button" class="button" @click=${() => openRotate(target, key)}>${icon("rotate")}Rotate</button>
    ${power}
    <button type="button" class="button danger-quiet" @click=${() => openRevoke(target, key)}>${icon("trash")}Revoke</button>`;
}

/** Why the key does not work. @param {ApiKey} key */
function stateNotice(key) {
  const state = stateOf(key, now());
  if (state === "deactivated") return html`<p class="notice key-notice">${icon("power")}<span>The key is deactivated: every use is refused.</span></p>`;
  if (state === "expired") return html`<p class="notice key-notice">${icon("clock")}<span>The key has expired: every use is refused. A later expiry makes it valid again.</span></p>`;
  return nothing;
}
