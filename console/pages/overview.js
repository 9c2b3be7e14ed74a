// The overview: how many keys there are, how they are used, and which ones need attention.

import { html, nothing } from "../vendor/lit-html.js";
import { now } from "../lib/clock.js";
import { count } from "../lib/format.js";
import { keyHref } from "../lib/keys.js";
import { outcomeName, totals } from "../lib/outcomes.js";
import { projectNames } from "../lib/project-names.js";
import { refresh } from "../lib/render.js";
import { repeat, resource } from "../lib/resource.js";
import { usageChart } from "../ui/chart.js";
import { openCreateKey } from "../ui/create-key.js";
import { eventTitle } from "../ui/events.js";
import { select } from "../ui/fields.js";
import { icon } from "../ui/icons.js";
import { keyCounts } from "../ui/key-counts.js";
import { card, empty, given, loaded, pageHead, skeleton, when } from "../ui/parts.js";

/** @typedef {import("../lib/types.js").Context} Context */
/** @typedef {import("../lib/types.js").Overview} Overview */
/** @typedef {import("../lib/types.js").AuditEvent} AuditEvent */
/** @typedef {import("../lib/types.js").UsageStep} UsageStep */
/** @typedef {import("../lib/types.js").View} View */
/** A key and its uses; without a name where it is revoked. @typedef {{ id: number, name: string | null, valid: number, refused: Record<string, number>, projectId: string | null }} UsedKey */
/** @typedef {{ steps: UsageStep[], from: Date, to: Date, days: number }} Uses */
/** @template T @typedef {import("../lib/resource.js").Resource<T>} Resource */

const DAY_MS = 86_400_000;
const EVERY_MS = 30_000;
const MOST_USED = 8;
const LATEST_EVENTS = 8;
/** An organization with so few keys has just begun. */
const FEW_KEYS = 5;
/** @type {[string, string][]} */
const SPANS = [["14", "14 days"], ["30", "30 days"]];
let days = 14;

/** @param {Context} context @returns {import("../lib/types.js").Page} */
export function overviewPage(context) {
  const { session, signal } = context;
  const { api } = session;
  /** @type {Resource<Overview>} */
  const overview = resource(() => api.get("v2/organization/overview", {}, signal));
  const usage = resource(() => readUses(context));
  /** @type {Resource<{ keys: UsedKey[] }>} */
  const used = resource(() => api.get("v2/organization/usage/keys", { from: firstDay().toISOString(), limit: MOST_USED }, signal));
  /** @type {Resource<{ auditLogs: AuditEvent[] }> | undefined} */
  const events = session.may("audit")
    ? resource(() => api.get("v2/organization/audit-logs", { limit: LATEST_EVENTS }, signal))
    : undefined;
  const nameOf = projectNames(api, signal);
  repeat(signal, EVERY_MS, () => Promise.all([overview, usage, used, events].map((each) => each?.reload())));

  const create = session.may("manage") ? () => openCreateKey(session, null, () => overview.reload()) : undefined;
  const newKey = create
    ? html`<button type="button" class="button primary" @click=${create}>${icon("plus")}New key<kbd>n</kbd></button>`
    : nothing;
  const span = (/** @type {string} */ value) => {
    days = Number(value);
    usage.reload();
    used.reload();
    refresh();
  };
  const view = () =>
    html`${pageHead("Overview", { actions: newKey, about: given(session.name) })}
      ${hasJustBegun(overview.data, used.data?.keys, session.apiKey.id) ? firstSteps(session) : nothing}
      <div class="overview">
        ${card("Keys", loaded(overview, keyCounts, skeleton(8)), { kind: "wide" })}
        ${usageCard(usage, span)} ${usedCard(used)}
        ${card("Expiring within 30 days", loaded(overview, (data) => expiring(data, nameOf)), { kind: "half" })}
        ${card("Not used for 90 days", loaded(overview, (data) => unused(data, nameOf)), { kind: "half" })}
        ${events ? eventsCard(events) : nothing}
      </div>`;
  return { title: "Overview", create, view };
}

/** @param {Context} context @returns {Promise<Uses>} */
async function readUses({ session, signal }) {
  const read = { from: firstDay(), to: new Date(now()), days };
  const { usage } = await session.api.get("v2/organization/usage", { from: read.from.toISOString() }, signal);
  return { ...read, steps: usage };
}

/** Where the chart begins: the first of the days, in UTC. */
function firstDay() {
  return new Date((Math.floor(now() / DAY_MS) - days + 1) * DAY_MS);
}

/**
 * Whether there are few keys and none but one's own was used.
 * @param {Overview | undefined} overview
 * @param {UsedKey[] | undefined} used
 * @param {number} ownId
 */
function hasJustBegun(overview, used, ownId) {
  if (!overview || !used) return false;
  return overview.apiKeys.total <= FEW_KEYS && used.every(({ id }) => id === ownId);
}

/** Leads on. @param {import("../lib/sessions.js").Session} session */
function firstSteps(session) {
  const step = (/** @type {string} */ title, /** @type {View} */ about, /** @type {View} */ action) =>
    html`<li><h3>${title}</h3><p>${about}</p><div class="actions">${action}</div></li>`;
  const steps = html`<ol class="steps">
    ${step(
      "Create a project",
      html`A project holds the keys of one service’s clients. Its first key is for the service: with it, the service asks whether a key is valid.
      ${session.may("administer") ? nothing : "Only an administrator can create a project."}`,
      html`<a class="button" href="#/projects">Go to the projects</a>`,
    )}
    ${step(
      "Connect the service",
      html`It asks from its code, or a proxy in front of it asks about each request. There is a snippet for each.`,
      html`<a class="button" href="#/connect">Connect a service</a>`,
    )}
    ${step(
      "Create a key for each client",
      html`Create it in the project, with the role none. Its uses then show up on this page.
      ${session.may("manage") ? nothing : "An administrator or a manager does this."}`,
      html`<a class="button" href="#/projects">Go to the projects</a>`,
    )}
  </ol>`;
  return card("First steps", steps, { kind: "first-steps" });
}

/** @param {Resource<Uses>} usage @param {(days: string) => void} onSpan */
function usageCard(usage, onSpan) {
  const choice = html`<div class="span">${select({ label: "Days shown", value: String(days), choices: SPANS, onChange: onSpan })}</div>`;
  const view = (/** @type {Uses} */ { steps, from, to, days: shown }) =>
    html`${usageChart(steps, { from, to, label: `Uses of all keys in ${shown} days` })} ${refusals(steps)}`;
  return card("Uses", html`<div class="chart-room">${loaded(usage, view, skeleton(9))}</div>`, {
    actions: choice,
    kind: "main",
    about: "Every question about a key counts, and every call with a key, also this console’s. Days are in UTC.",
  });
}

/** Why uses were refused. @param {UsageStep[]} steps */
function refusals(steps) {
  const { refused } = totals(steps);
  if (refused.length === 0) return nothing;
  return html`<h3>Reasons for refusals</h3>
    <dl class="reasons">${refused.map(([code, uses]) => html`<div><dt>${outcomeName(code)}</dt><dd class="number">${count(uses)}</dd></div>`)}</dl>`;
}

/** @param {Resource<{ keys: UsedKey[] }>} used */
function usedCard(used) {
  const view = (/** @type {{ keys: UsedKey[] }} */ { keys }) =>
    keys.length === 0
      ? empty("No key was used in this time.")
      : table("Most used keys", ["Name", "Valid", "Refused"], keys.map((key) => [usedName(key), count(key.valid), count(refusedOf(key))]));
  return card("Most used keys", loaded(used, view, skeleton(MOST_USED)), { kind: "aside" });
}

/** @param {UsedKey} key */
function refusedOf({ refused }) {
  return Object.values(refused).reduce((sum, uses) => sum + uses, 0);
}

/** @param {UsedKey} key */
function usedName({ id, name, projectId }) {
  if (name === null) return html`<span class="muted">Revoked key ${id}</span>`;
  return html`<a class="cut" href=${keyHref(projectId, id)} title=${name}>${given(name)}</a>`;
}

/** @param {Overview} overview @param {(id: string) => string | null | undefined} nameOf */
function expiring({ expiring: keys, apiKeys }, nameOf) {
  if (keys.length === 0) return empty("No active key expires within 30 days.");
  const rows = keys.map((key) => [keyName(key, nameOf), when(key.expiresAt)]);
  return html`${table("Keys that expire soon", ["Name", "Expires"], rows)}${rest(apiKeys.expiring, keys.length, "state=expiring")}`;
}

/** @param {Overview} overview @param {(id: string) => string | null | undefined} nameOf */
function unused({ unused: keys, apiKeys }, nameOf) {
  if (keys.length === 0) return empty("Each active key was used within 90 days, or is newer.");
  const rows = keys.map((key) => [keyName(key, nameOf), when(key.created_at), when(key.lastUsed)]);
  return html`${table("Keys that are not used", ["Name", "Created", "Last used"], rows)}${rest(apiKeys.unused, keys.length, "state=active&unusedForDays=90")}`;
}

/** @param {number} total @param {number} shown @param {string} query */
function rest(total, shown, query) {
  if (total <= shown) return nothing;
  return html`<p class="hint rest">The first ${count(shown)} of ${count(total)}, those of projects included. <a href="#/keys?${query}">See the organization’s own</a></p>`;
}

/** @param {{ id: number, name: string, projectId: string | null }} key @param {(id: string) => string | null | undefined} nameOf */
function keyName({ id, name, projectId }, nameOf) {
  const project = projectId ? (nameOf(projectId) ?? "…") : undefined;
  return html`<a class="cut" href=${keyHref(projectId, id)} title=${name}>${given(name)}</a>${project
      ? html`<span class="cut of-project muted" title=${project}>${given(project)}</span>`
      : nothing}`;
}

/** A table of few columns. All but the first are narrow. @param {string} label @param {string[]} heads @param {(View | string)[][]} rows */
function table(label, heads, rows) {
  const side = (/** @type {number} */ column) => (column === 0 ? "" : "number");
  return html`<table class="plain-table narrow columns-${heads.length}" aria-label=${label}>
    <thead><tr>${heads.map((head, column) => html`<th scope="col" class=${side(column)}>${head}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${row.map((cell, column) => html`<td class=${side(column)}>${cell}</td>`)}</tr>`)}</tbody>
  </table>`;
}

/** @param {Resource<{ auditLogs: AuditEvent[] }>} events */
function eventsCard(events) {
  const row = (/** @type {AuditEvent} */ event) =>
    html`<li><span class="event-text">${given(event.actorName)} ${eventTitle(event)}</span>${when(event.at, { canFocus: true })}</li>`;
  const view = (/** @type {{ auditLogs: AuditEvent[] }} */ { auditLogs }) =>
    auditLogs.length === 0 ? empty("Nothing was changed yet.") : html`<ol class="latest">${auditLogs.map(row)}</ol>`;
  return card("Latest changes", loaded(events, view, skeleton(LATEST_EVENTS)), { kind: "wide", actions: html`<a href="#/audit">All changes</a>` });
}
