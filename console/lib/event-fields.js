// What an audit event changed, field by field. `docs/audit.md` lists what each action has.

import { count, exact, rateLimit, tail } from "./format.js";

/** @typedef {{ name: string, label: string, none: string, before: unknown, after: unknown }} FieldChange `undefined` on a side: not there */
/** @typedef {{ label: string, none?: string }} Field */

/** Names for people, in the order in which they are shown. `none`: what stands for a field that is not set. @type {Record<string, Field>} */
const FIELDS = {
  name: { label: "Name" },
  valid: { label: "State" },
  role: { label: "Role", none: "unknown" },
  permissions: { label: "Permissions" },
  rateLimit: { label: "Limit" },
  allowedAddresses: { label: "Allowed addresses", none: "any address" },
  expiresAt: { label: "Expires", none: "never" },
  owner: { label: "Owner" },
  description: { label: "Description" },
  value: { label: "Value" },
  shadowValue: { label: "New value" },
  rotatesAt: { label: "Outgoing value ends" },
  metadata: { label: "Metadata" },
  schema: { label: "Schema" },
  apiKeys: { label: "Keys" },
  count: { label: "Count" },
  first: { label: "First number" },
  last: { label: "Last number" },
  events: { label: "Events" },
  through: { label: "Through event" },
  file: { label: "File" },
  head: { label: "Head of the log" },
  changedByLedger: { label: "Changed by the ledger" },
  withoutLedger: { label: "Without the ledger" },
  reason: { label: "Reason" },
};

/** @param {unknown} value @returns {value is Record<string, unknown>} */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The same text for the same content. @param {unknown} value @returns {string} */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? "";
  const parts = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${parts.map(([name, part]) => `${JSON.stringify(name)}:${canonical(part)}`).join(",")}}`;
}

/** Whether a field is not set. @param {unknown} value */
export function isUnset(value) {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
}

/** One side of a change; undefined where there is none. @param {Record<string, unknown>} change @param {"before" | "after"} side */
export function sideOf(change, side) {
  const content = change[side];
  return isObject(content) ? content : undefined;
}

/**
 * The fields that differ and those that stayed. Of what was created, all fields are only in `after`; of what was revoked or
 * deleted, only in `before`. An event without sides has facts, which are as if they were new.
 * @param {Record<string, unknown>} change
 * @returns {{ kind: "created" | "ended" | "changed" | "facts", changed: FieldChange[], same: FieldChange[] }}
 */
export function fieldChanges(change) {
  const [before, after] = [sideOf(change, "before"), sideOf(change, "after")];
  if (before && after) {
    const all = fields(before, after);
    const isSame = (/** @type {FieldChange} */ field) => canonical(field.before ?? null) === canonical(field.after ?? null);
    return { kind: "changed", changed: all.filter((field) => !isSame(field)), same: all.filter(isSame) };
  }
  if (before || after) return { kind: after ? "created" : "ended", changed: fields(before ?? {}, after ?? {}), same: [] };
  const { before: _before, after: _after, ...facts } = change;
  return { kind: "facts", changed: fields({}, facts), same: [] };
}

/** @param {Record<string, unknown>} before @param {Record<string, unknown>} after @returns {FieldChange[]} */
function fields(before, after) {
  const present = new Set([...Object.keys(before), ...Object.keys(after)]);
  const names = [...Object.keys(FIELDS).filter((name) => present.delete(name)), ...present];
  const all = names.map((name) => {
    const { label, none = "none" } = FIELDS[name] ?? { label: name };
    return { name, label, none, before: before[name], after: after[name] };
  });
  return all.filter((field) => !isUnset(field.before) || !isUnset(field.after));
}

/**
 * A value for people.
 * @param {string} name the field's name
 * @param {unknown} value
 * @returns {string}
 */
export function fieldText(name, value) {
  if (name === "valid") return value === false ? "deactivated" : "active";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return ["first", "last", "schema"].includes(name) ? String(value) : count(value);
  if (Array.isArray(value)) return value.map((entry) => fieldText("", entry)).join(" ");
  if (isObject(value)) return objectText(name, value);
  const text = String(value);
  if (name === "value" || name === "shadowValue") return tail(text);
  if ((name === "expiresAt" || name === "rotatesAt") && !Number.isNaN(Date.parse(text))) return exact(text);
  return text;
}

/** @param {string} name @param {Record<string, unknown>} value */
function objectText(name, value) {
  const { limit, windowInSeconds, beginning, bytes, blake3 } = value;
  if (name === "rateLimit" && typeof limit === "number" && typeof windowInSeconds === "number") return rateLimit({ limit, windowInSeconds });
  // The event keeps only the length and the hash of a long text.
  if (typeof bytes === "number" && typeof blake3 === "string") {
    const size = `${count(bytes)} bytes, BLAKE3 ${blake3}`;
    if (name === "description" && typeof beginning === "string") return `${beginning}… (${size})`;
    if (name === "metadata" && Object.keys(value).length === 2) return size;
  }
  return JSON.stringify(value);
}

/**
 * The entries of two lists: those that stayed, those that came, those that went.
 * @param {FieldChange} field
 */
export function entryChanges(field) {
  const [before, after] = [entries(field.before), entries(field.after)];
  return {
    kept: after.filter((entry) => before.includes(entry)),
    added: after.filter((entry) => !before.includes(entry)),
    removed: before.filter((entry) => !after.includes(entry)),
  };
}

/** @param {unknown} value */
function entries(value) {
  return Array.isArray(value) ? value.map((entry) => fieldText("", entry)) : [];
}
