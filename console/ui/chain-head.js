// The head of the audit log: the newest event of the organization, which proves all before it.

import { html, nothing } from "../vendor/lit-html.js";
import { copyButton, loaded, when } from "./parts.js";

/** @typedef {import("../lib/types.js").AuditEvent} AuditEvent */
/** @typedef {import("../lib/types.js").View} View */
/** @typedef {import("../lib/resource.js").Resource<AuditEvent | null>} HeadResource null: the log has no event */

const numberCopied = {};
const hashCopied = {};

/**
 * Reads the newest event.
 * @param {import("../lib/sessions.js").Session} session
 * @param {AbortSignal} signal
 * @returns {Promise<AuditEvent | null>}
 */
export async function readHead(session, signal) {
  const { auditLogs } = await session.api.get("v2/organization/audit-logs", { limit: 1 }, signal);
  return auditLogs[0] ?? null;
}

/**
 * The number and the hash, and what they prove.
 * @param {HeadResource} head
 * @param {{ above?: View }} [more]
 */
export function chainHead(head, { above = nothing } = {}) {
  const shown = (/** @type {AuditEvent | null} */ event) =>
    event
      ? html`<div class="chain-head">
          ${above}
          <dl class="facts">
            <dt>Newest event</dt>
            <dd>number ${event.number}, ${when(event.at, { canFocus: true })}</dd>
            <dt>Hash</dt>
            <dd><code>${event.hash}</code></dd>
          </dl>
          <div class="actions">
            ${copyButton(numberCopied, `${event.number}:${event.hash}`, "Copy number and hash")}${copyButton(hashCopied, event.hash, "Copy hash")}
          </div>
          <p class="hint">
            Keep the number and the hash outside of this server: with them, <code>keystead audit verify <span class="option">--expect NUMBER:HASH</span></code> proves later
            that this event and all before it were not changed since. The numbers count the events of the whole server, so some are not in this list.
          </p>
        </div>`
      : html`<p class="muted">The log has no event yet.</p>`;
  return loaded(head, shown, html`<div class="chain-head chain-waiting skeleton" role="status" aria-label="Loading"><div class="skeleton-line"></div><div class="skeleton-line"></div></div>`);
}
