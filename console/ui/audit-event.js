// One event of the audit log: a row, and everything about it.

import { html, nothing } from "../vendor/lit-html.js";
import { now } from "../lib/clock.js";
import { ago, exact } from "../lib/format.js";
import { changeView, eventHref, eventTitle } from "./events.js";
import { icon } from "./icons.js";
import { copyButton, given } from "./parts.js";

/** @typedef {import("../lib/types.js").AuditEvent} AuditEvent */
/** @typedef {import("../lib/types.js").View} View */

/**
 * What the rows share.
 * @typedef {object} Rows
 * @property {(projectId: string) => string | null | undefined} projectName null: it was deleted
 * @property {(event: AuditEvent) => boolean} isOpen
 * @property {(event: AuditEvent) => void} toggle
 */

/**
 * @param {AuditEvent} event
 * @param {Rows} rows
 */
export function eventRow(event, rows) {
  const isOpen = rows.isOpen(event);
  const id = `event-${event.number}`;
  const click = (/** @type {MouseEvent} */ click) => {
    const target = /** @type {HTMLElement} */ (click.target);
    if (!target.closest("a, button") && !getSelection()?.toString()) rows.toggle(event);
  };
  const href = eventHref(event);
  const title = eventTitle(event);
  return html`<li class="event ${isOpen ? "open" : ""}">
    <div class="event-row" @click=${click}>
      <time class="when event-time" datetime=${event.at} data-exact="${exact(event.at)}, ${ago(event.at, now())}">${exact(event.at).slice(11)}</time>
      <span class="event-actor">${actor(event)}</span>
      <span class="event-what"
        ><span class="event-title">${href ? html`<a class="event-link" href=${href}>${title}</a>` : title}${project(event, rows)}</span>${reason(event)}</span
      >
      <span class="event-from muted">${event.clientAddress ?? nothing}</span>
      <button
        type="button"
        class="icon-button event-toggle"
        aria-expanded=${isOpen}
        aria-controls=${isOpen ? id : nothing}
        aria-label="Event ${event.number}: everything"
        @click=${() => rows.toggle(event)}
      >
        ${icon("chevron")}
      </button>
    </div>
    ${isOpen ? html`<div class="event-all" id=${id}>${changeView(event)}${facts(event, rows)}</div>` : nothing}
  </li>`;
}

/** Who did it; of a key, with a link to everything that it did. @param {AuditEvent} event */
function actor({ actorKeyId, actorName }) {
  const name = given(actorName);
  if (actorKeyId === null) return name;
  return html`<a class="event-link" href="#/audit?actor=${actorKeyId}">${name}</a>`;
}

/** The project of a key; an event about the project itself names it already. @param {AuditEvent} event @param {Rows} rows */
function project({ projectId, resource }, { projectName }) {
  if (!projectId || resource.startsWith("project/")) return nothing;
  const name = projectName(projectId);
  return html`<span class="muted"> in ${name ? given(name) : name === null ? "a deleted project" : "a project"}</span>`;
}

/** @param {AuditEvent} event */
function reason({ action, change }) {
  if (typeof change.reason !== "string" || action === "authentication.failed") return nothing;
  return html`<span class="event-reason">Reason: ${given(change.reason)}</span>`;
}

/** @param {AuditEvent} event @param {Rows} rows */
function facts(event, rows) {
  const found = event.projectId ? rows.projectName(event.projectId) : undefined;
  const number = event.actorKeyId === null ? nothing : html` <span class="muted">(key ${event.actorKeyId})</span>`;
  /** @type {[string, View | string | null][]} */
  const all = [
    ["Number", String(event.number)],
    ["Time", html`${exact(event.at)} <span class="muted event-utc">${event.at}</span>`],
    ["Who", html`${actor(event)}${number}`],
    ["Action", html`<code>${event.action}</code>`],
    ["Resource", html`<code>${event.resource}</code>`],
    ["Project", event.projectId && (found ? html`<a href="#/projects/${event.projectId}">${given(found)}</a> <code>${event.projectId}</code>` : html`<code>${event.projectId}</code>`)],
    ["Address", event.clientAddress && html`<code>${event.clientAddress}</code>`],
    ["User agent", event.userAgent && given(event.userAgent)],
    ["Request id", event.requestId && html`<code>${given(event.requestId)}</code>`],
  ];
  return html`<dl class="facts event-facts">
    ${all.map(([name, value]) => (value === null || value === "" ? nothing : html`<dt>${name}</dt><dd>${value}</dd>`))}
    <dt>Hash</dt>
    <dd class="with-copy"><code>${event.hash}</code>${copyButton(event, event.hash)}</dd>
  </dl>`;
}
