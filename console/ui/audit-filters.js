// The filters of the audit log, as the user sets them, as the address keeps them and as the API takes them.

import { html, nothing } from "../vendor/lit-html.js";
import { ACTIONS } from "./events.js";
import { selectField, textField } from "./fields.js";
import { foldedFilters, searchBox } from "./filters.js";

/** @typedef {{ from: string, to: string, actor: string, action: string, resource: string, text: string }} Filter */

/** Where the fields are folded. */
export const narrow = window.matchMedia("(max-width: 720px)");
/** The first time that the API takes, for a range that only has an end. */
const EARLIEST = "1970-01-01T00:00:00.000Z";

/** @param {URLSearchParams} query @returns {Filter} */
export function readFilter(query) {
  const of = (/** @type {string} */ name) => query.get(name) ?? "";
  const date = (/** @type {string} */ name) => (Number.isNaN(dayTime(of(name), false)) ? "" : of(name));
  const action = ACTIONS.some(([known]) => known === of("action")) ? of("action") : "";
  return { from: date("from"), to: date("to"), actor: of("actor"), action, resource: of("resource"), text: of("text") };
}

/** @returns {Filter} */
export function noFilter() {
  return { from: "", to: "", actor: "", action: "", resource: "", text: "" };
}

/** @param {Filter} filter */
export function isFiltered(filter) {
  return Object.values(filter).some((value) => value !== "");
}

/** The beginning or the end of a day in the time zone of the browser; NaN where it is none. @param {string} date @param {boolean} isEnd */
function dayTime(date, isEnd) {
  return /^\d{4}-\d\d-\d\d$/.test(date) ? Date.parse(`${date}T${isEnd ? "23:59:59.999" : "00:00:00.000"}`) : NaN;
}

/** @param {string} date @param {boolean} isEnd */
function rfc3339(date, isEnd) {
  const at = dayTime(date, isEnd);
  return Number.isNaN(at) ? undefined : new Date(at).toISOString();
}

/** What is wrong with the filter; empty if nothing is. @param {Filter} filter */
export function mistake({ from, to }) {
  return from && to && from > to ? "The first day is after the last one." : "";
}

/** The parameters of a search. @param {Filter} filter */
export function searchQuery({ from, to, actor, action, resource, text }) {
  return {
    startTime: rfc3339(from, false),
    endTime: rfc3339(to, true),
    actor: actor.trim(),
    action,
    resource: resource.trim(),
    searchTerm: text.trim(),
  };
}

/** The fields of an export: both times or neither. @param {Filter} filter @param {number} now */
export function exportFields({ from, to, text }, now) {
  const times = from || to ? { startTime: rfc3339(from, false) ?? EARLIEST, endTime: rfc3339(to, true) ?? new Date(now).toISOString() } : {};
  return { ...times, ...(text.trim() ? { searchTerm: text.trim() } : {}) };
}

/** Whether a phone shows all fields at first. @param {Filter} filter */
export function startFold(filter) {
  return { isOpen: isFiltered({ ...filter, text: "" }) };
}

/**
 * @param {Filter} filter
 * @param {{ isOpen: boolean }} fold
 * @param {(change: Partial<Filter>, isTyped?: boolean) => void} set
 * @param {() => void} clear
 */
export function filterFields(filter, fold, set, clear) {
  const more = html`<div class="audit-filter-fields">
    ${textField("audit-from", { label: "From day", type: "date", value: filter.from, onInput: (from) => set({ from }, true) })}
    ${textField("audit-to", { label: "To day", type: "date", value: filter.to, onInput: (to) => set({ to }, true) })}
    ${selectField("audit-action", { label: "What", value: filter.action, choices: [["", "Everything"], ...ACTIONS], onChange: (action) => set({ action }) })}
    ${textField("audit-actor", { label: "Who", value: filter.actor, placeholder: "Name or number", onInput: (actor) => set({ actor }, true) })}
    ${textField("audit-resource", { label: "Resource", value: filter.resource, placeholder: "api_key/12", onInput: (resource) => set({ resource }, true) })}
  </div>`;
  return html`<search class="audit-filters">
    <div class="audit-search">
      ${searchBox({ label: "Search for a text in the events", value: filter.text, onInput: (text) => set({ text }, true) })}
      ${isFiltered(filter) ? html`<button type="button" class="button quiet" @click=${clear}>Clear</button>` : nothing}
    </div>
    ${narrow.matches ? foldedFilters(fold, more) : more}
  </search>`;
}
