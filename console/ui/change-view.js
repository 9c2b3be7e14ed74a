// The change of an audit event: before and after, field by field.

import { html, nothing } from "../vendor/lit-html.js";
import { entryChanges, fieldChanges, fieldText, isUnset } from "../lib/event-fields.js";
import { plural } from "../lib/format.js";
import { given } from "./parts.js";

/** @typedef {import("../lib/types.js").AuditEvent} AuditEvent */
/** @typedef {import("../lib/types.js").View} View */
/** @typedef {import("../lib/event-fields.js").FieldChange} FieldChange */

/** Fields whose text is shown as it is written for machines. */
const CODE = new Set(["permissions", "allowedAddresses", "value", "shadowValue", "metadata", "file", "head", "through"]);

const LONG_TEXT = 40;

/**
 * Everything that the event changed.
 * @param {AuditEvent} event
 * @returns {View}
 */
export function changeView({ change }) {
  const { kind, changed, same } = fieldChanges(change);
  const reason = kind === "facts" ? undefined : change.reason;
  const rows = changed.map((field) => row(field, kind === "changed" ? difference(field) : content(field, kind === "ended" ? field.before : field.after)));
  return html`<div class="change">
    ${kind === "ended" ? html`<p class="hint">As it was at the end:</p>` : nothing}
    ${rows.length > 0 || reason !== undefined
      ? html`<dl class="change-fields">${rows}${reason === undefined ? nothing : html`<div><dt>Reason</dt><dd>${given(String(reason))}</dd></div>`}</dl>`
      : html`<p class="muted">The event has no further content.</p>`}
    ${same.length > 0
      ? html`<details class="change-same">
          <summary>${plural(same.length, "field")} unchanged</summary>
          <dl class="change-fields">${same.map((field) => row(field, content(field, field.after)))}</dl>
        </details>`
      : nothing}
  </div>`;
}

/** @param {FieldChange} field @param {View} shown */
function row(field, shown) {
  return html`<div><dt>${given(field.label)}</dt><dd>${shown}</dd></div>`;
}

/** @param {FieldChange} field @returns {View} */
function difference(field) {
  const isList = [field.before, field.after].every((value) => isUnset(value) || Array.isArray(value));
  if (isList) return entries(field);
  const isLong = [field.before, field.after].some((value) => !isUnset(value) && fieldText(field.name, value).length > LONG_TEXT);
  return html`<div class=${isLong ? "change-long" : ""}><del class="change-old"><span class="visually-hidden">from </span>${content(field, field.before)}</del
    ><span class="change-arrow" aria-hidden="true">→</span
    ><ins class="change-new"><span class="visually-hidden"> to </span>${content(field, field.after)}</ins></div>`;
}

/** A list: what was added and removed is marked by a sign, and by a word for screen readers. @param {FieldChange} field */
function entries(field) {
  const { kept, added, removed } = entryChanges(field);
  if (added.length + removed.length === 0) return html`The same in another order: ${content(field, field.after)}`;
  const entry = (/** @type {string} */ text, /** @type {string} */ kind, /** @type {string} */ sign, /** @type {string} */ word) =>
    html`<li class=${kind}><span class="change-sign" aria-hidden="true">${sign}</span><span class="visually-hidden">${word} </span><bdi>${text}</bdi></li>`;
  return html`<ul class="change-entries">
      ${removed.map((text) => entry(text, "removed", "−", "removed"))}${added.map((text) => entry(text, "added", "+", "added"))}${kept.map((text) =>
        entry(text, "kept", "", "kept"),
      )}
    </ul>
    ${isUnset(field.after) ? html`<p class="muted">now ${field.none}</p>` : nothing}
    ${isUnset(field.before) ? html`<p class="muted">before: ${field.none}</p>` : nothing}`;
}

/** @param {FieldChange} field @param {unknown} value @returns {View} */
function content(field, value) {
  if (isUnset(value)) return html`<span class="muted">${field.none}</span>`;
  if (Array.isArray(value)) {
    return html`<ul class="change-entries">${value.map((entry) => html`<li><bdi>${fieldText("", entry)}</bdi></li>`)}</ul>`;
  }
  const text = given(fieldText(field.name, value));
  return CODE.has(field.name) ? html`<code>${text}</code>` : html`${text}`;
}
