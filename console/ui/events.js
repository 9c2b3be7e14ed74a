// Audit events in words.

import { html, nothing } from "../vendor/lit-html.js";
import { entryChanges, fieldChanges, fieldText, isUnset, sideOf } from "../lib/event-fields.js";
import { plural } from "../lib/format.js";
import { keyHref } from "../lib/keys.js";
import { given } from "./parts.js";

export { changeView } from "./change-view.js";

/** @typedef {import("../lib/types.js").AuditEvent} AuditEvent */
/** @typedef {import("../lib/types.js").View} View */
/** @typedef {import("../lib/event-fields.js").FieldChange} FieldChange */

/** All actions with a name for people, as choices. @type {[string, string][]} */
export const ACTIONS = [
  ["api_key.created", "Key created"],
  ["api_key.updated", "Key changed"],
  ["api_key.rotated", "Key rotated"],
  ["api_key.rotation_completed", "Rotation completed"],
  ["api_key.rotation_cancelled", "Rotation cancelled"],
  ["api_key.revoked", "Key revoked"],
  ["api_keys.imported", "Keys imported"],
  ["authentication.failed", "Keys refused"],
  ["project.created", "Project created"],
  ["project.updated", "Project changed"],
  ["project.deleted", "Project deleted"],
  ["organization.created", "Organization created"],
  ["organization.renamed", "Organization renamed"],
  ["audit.pruned", "Old events removed"],
  ["store.initialized", "Store created"],
  ["store.migrated", "Store migrated"],
  ["store.backed_up", "Store copied"],
  ["store.restored", "Store restored"],
];

const LONGEST_TEXT = 60;
const MOST_PARTS = 3;

/**
 * What happened, in words that follow the name of the actor: `created the key CI deploy`.
 * @param {AuditEvent} event
 * @returns {View}
 */
export function eventTitle(event) {
  const title = Object.hasOwn(TITLES, event.action) ? TITLES[event.action] : undefined;
  return title ? title(event) : html`action ${given(event.action)} on ${given(event.resource)}`;
}

/**
 * The page of what was changed; undefined where it has none, or none any more.
 * @param {AuditEvent} event
 * @returns {string | undefined}
 */
export function eventHref({ action, resource, projectId }) {
  if (action === "api_key.revoked" || action === "project.deleted") return undefined;
  const [kind, id = ""] = resource.split("/");
  if (kind === "api_key" && /^\d+$/.test(id)) return keyHref(projectId, Number(id));
  if (kind === "project" && id) return `#/projects/${id}`;
  return kind === "organization" ? "#/organization" : undefined;
}

/** @type {Record<string, (event: AuditEvent) => View>} */
const TITLES = {
  "store.initialized": () => html`created the store`,
  "store.migrated": ({ change }) => html`brought the store to schema ${sideOf(change, "after")?.schema ?? "?"}`,
  "store.backed_up": ({ change }) => html`copied the store${toFile(change, "to")}`,
  "store.restored": ({ change }) => html`put back a copy of the store${toFile(change, "from")}`,
  "organization.created": (event) => html`created the organization ${nameOf(event)}`,
  "organization.renamed": (event) => changed(event, "organization"),
  "project.created": (event) => html`created the project ${nameOf(event)}`,
  "project.updated": (event) => changed(event, "project"),
  "project.deleted": (event) => html`deleted the project ${nameOf(event)}${withKeys(event.change)}`,
  "api_key.created": (event) => html`created the key ${nameOf(event)}`,
  "api_key.updated": (event) => changed(event, "key"),
  "api_key.rotated": rotated,
  "api_key.rotation_completed": (event) => html`completed the rotation of the key ${nameOf(event)}`,
  "api_key.rotation_cancelled": (event) => html`cancelled the rotation of the key ${nameOf(event)}`,
  "api_key.revoked": (event) => html`revoked the key ${nameOf(event)}`,
  "api_keys.imported": ({ change }) => html`imported ${number(change.count, "key")}`,
  "authentication.failed": ({ change }) => html`refused keys ${number(change.count, "time")}: ${given(cut(String(change.reason ?? "")))}`,
  "audit.pruned": ({ change }) => html`removed ${number(change.events, "event")} from the old end of the log`,
};

/** The name: the new one, or the last one of what is gone. @param {AuditEvent} event */
function nameOf({ change, resource }) {
  const name = sideOf(change, "after")?.name ?? sideOf(change, "before")?.name;
  return html`<b class="event-name">${given(cut(typeof name === "string" ? name : resource))}</b>`;
}

/** What was created or changed, with the differences. @param {AuditEvent} event @param {string} kind */
function changed(event, kind) {
  const fields = fieldChanges(event.change).changed;
  const [first] = fields;
  if (first && fields.length === 1 && first.name === "name") {
    return html`renamed the ${kind} <b class="event-name">${shown(first, first.before)}</b> → ${nameOf(event)}`;
  }
  if (first && fields.length === 1 && first.name === "valid") {
    return html`${first.after === false ? "deactivated" : "activated"} the ${kind} ${nameOf(event)}`;
  }
  return html`changed the ${kind} ${nameOf(event)}${listed(fields)}`;
}

/** @param {AuditEvent} event */
function rotated(event) {
  const { changed: fields } = fieldChanges(event.change);
  const isGraceful = !isUnset(sideOf(event.change, "after")?.shadowValue);
  const others = fields.filter(({ name }) => !["value", "shadowValue", "rotatesAt"].includes(name));
  return html`rotated the key ${nameOf(event)}${isGraceful ? " with a grace period" : " at once"}${listed(others)}`;
}

/** The first differences in words. @param {FieldChange[]} fields */
function listed(fields) {
  const parts = fields.flatMap(inWords);
  if (parts.length === 0) return nothing;
  const more = parts.length - MOST_PARTS;
  return html`: ${parts.slice(0, MOST_PARTS).map((part, index) => html`${index > 0 ? ", " : nothing}${part}`)}${more > 0 ? `, and ${more} more` : nothing}`;
}

/** @param {FieldChange} field @returns {View[]} */
function inWords(field) {
  if (field.name === "valid") return [html`${field.after === false ? "deactivated" : "activated"}`];
  if (field.name === "permissions") {
    const { added, removed } = entryChanges(field);
    const words = [];
    if (added.length > 0) words.push(html`granted ${given(cut(added.join(", ")))}`);
    if (removed.length > 0) words.push(html`withdrawn ${given(cut(removed.join(", ")))}`);
    return words.length > 0 ? words : [html`permissions in another order`];
  }
  const label = field.label.charAt(0).toLowerCase() + field.label.slice(1);
  return [html`${label} ${shown(field, field.before)} → ${shown(field, field.after)}`];
}

/** @param {FieldChange} field @param {unknown} value */
function shown(field, value) {
  return isUnset(value) ? field.none : given(cut(fieldText(field.name, value)));
}

/** @param {Record<string, unknown>} change @param {string} word */
function toFile(change, word) {
  const file = sideOf(change, "after")?.file;
  return typeof file === "string" ? html` ${word} ${given(cut(file))}` : nothing;
}

/** @param {Record<string, unknown>} change */
function withKeys(change) {
  const keys = sideOf(change, "before")?.apiKeys;
  return typeof keys === "number" ? ` with ${plural(keys, "key")}` : nothing;
}

/** @param {unknown} value @param {string} what */
function number(value, what) {
  return typeof value === "number" ? plural(value, what) : `${what}s`;
}

/** Long texts are cut: all of it is in the change itself. @param {string} text */
function cut(text) {
  const characters = [...text];
  return characters.length > LONGEST_TEXT ? `${characters.slice(0, LONGEST_TEXT).join("")}…` : text;
}
