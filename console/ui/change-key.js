// The dialog that changes what a key is and may do. It sends only what was changed.

import { html, nothing } from "../vendor/lit-html.js";
import { refresh } from "../lib/render.js";
import { mayManage, possibleRoles } from "../lib/roles.js";
import { dialogForm, formState, openDialog } from "./dialog.js";
import { expiryFields, readExpiry } from "./expiry-field.js";
import { textArea, textField } from "./fields.js";
import { grantFields, readLimit, roleField, words } from "./grant-fields.js";
import { ownNotice, reasonField, withReason } from "./key-actions.js";
import { changeKey, closeAfterChange, isOwn } from "./key-target.js";
import { toast } from "./toast.js";

/** @typedef {import("../lib/types.js").ApiKey} ApiKey */
/** @typedef {import("../lib/roles.js").Role} Role */
/** @typedef {import("./key-target.js").Target} Target */
/** @typedef {ReturnType<typeof valuesOf>} Values */

/** The fields as they are written. @param {ApiKey} key */
function valuesOf(key) {
  return {
    name: key.name,
    role: key.role,
    permissions: key.permissions.join(" "),
    owner: key.owner ?? "",
    limit: key.rateLimit ? String(key.rateLimit.limit) : "",
    windowInSeconds: key.rateLimit ? String(key.rateLimit.windowInSeconds) : "60",
    addresses: key.allowedAddresses?.join("\n") ?? "",
    metadata: metadataText(key.metadata),
    lifetime: "keep",
    days: "",
    reason: "",
  };
}

/** Metadata as people read them. @param {Record<string, unknown>} metadata */
export function metadataText(metadata) {
  return Object.keys(metadata).length === 0 ? "" : JSON.stringify(metadata, null, 2);
}

/** Whether JavaScript rounds a number in this value. @param {unknown} value @returns {boolean} */
export function hasLongNumber(value) {
  if (typeof value === "number") return !Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value));
  return typeof value === "object" && value !== null && Object.values(value).some(hasLongNumber);
}

/** @param {Target} target @param {ApiKey} key */
export function openChange(target, key) {
  const before = valuesOf(key);
  const values = { ...before };
  const state = formState();
  const set = (/** @type {Partial<Values>} */ change) => {
    Object.assign(values, change);
    refresh();
  };
  const submit = async () => {
    const body = readChanges(before, values);
    if (Object.keys(body).length === 0) throw new Error("Nothing is changed yet.");
    await changeKey(target, "PUT", "", { ...body, ...withReason(values.reason) });
    closeAfterChange();
    toast("The key is changed.");
  };
  openDialog({
    title: "Change the key",
    isWide: true,
    view: () => dialogForm(state, { content: fields(target, key, values, set), submit: "Save changes", onSubmit: submit }),
  });
}

/** @param {Target} target @param {ApiKey} key @param {Values} values @param {(change: Partial<Values>) => void} set */
function fields(target, key, values, set) {
  const { session, projectId } = target;
  const roles = possibleRoles(projectId).filter((role) => mayManage(session.apiKey.role, role) || role === key.role);
  return html`${isOwn(target)
      ? ownNotice("You are signed in with this key: what you narrow here holds for you at once, and you may not be able to widen it again.")
      : nothing}
    ${textField("key-name", { label: "Name", value: values.name, maxLength: 255, hasFocus: true, onInput: (name) => set({ name }) })}
    <div class="field-row">
      ${roleField(values.role, roles, (role) => set({ role }))}
      ${expiryFields(values, set, { expiresAt: key.expiresAt })}
    </div>
    ${grantFields(values, set)} ${metadataField(key, values, set)} ${reasonField(values.reason, (reason) => set({ reason }))}`;
}

/** @param {ApiKey} key @param {Values} values @param {(change: Partial<Values>) => void} set */
function metadataField(key, values, set) {
  if (hasLongNumber(key.metadata)) {
    return html`<p class="hint">The metadata contain a number that is too long for a browser. Change them by the API or the command line.</p>`;
  }
  return textArea("key-metadata", {
    label: "Metadata",
    isOptional: true,
    isCode: true,
    rows: Math.min(10, Math.max(3, values.metadata.split("\n").length)),
    value: values.metadata,
    placeholder: '{ "plan": "basic" }',
    onInput: (metadata) => set({ metadata }),
    hint: "A JSON object with your notes. Whoever holds the key can read them.",
  });
}

/**
 * The fields of the request: those that differ. Null withdraws.
 * @param {Values} before @param {Values} values
 */
function readChanges(before, values) {
  if (values.name.trim() === "") throw new Error("Give the key a name.");
  const [permissions, addresses, owner] = [words(values.permissions), words(values.addresses), values.owner.trim()];
  const isChanged = (/** @type {"name" | "owner" | "permissions" | "addresses"} */ name) => {
    const read = (/** @type {string} */ text) => (name === "name" || name === "owner" ? text.trim() : words(text).join(" "));
    return read(values[name]) !== read(before[name]);
  };
  const limit = readLimit(values);
  return {
    ...(isChanged("name") ? { name: values.name.trim() } : {}),
    ...(values.role === before.role ? {} : { role: values.role }),
    ...(isChanged("permissions") ? { permissions: permissions.length > 0 ? permissions : null } : {}),
    ...(isChanged("owner") ? { owner: owner || null } : {}),
    ...(JSON.stringify(limit) === JSON.stringify(readLimit(before)) ? {} : { rateLimit: limit }),
    ...(isChanged("addresses") ? { allowedAddresses: addresses.length > 0 ? addresses : null } : {}),
    ...(values.metadata === before.metadata ? {} : readMetadata(before.metadata, values.metadata)),
    ...readExpiry(values),
  };
}

/** @param {string} before @param {string} text @returns {{ metadata?: Record<string, unknown> | null }} */
function readMetadata(before, text) {
  if (text.trim() === "") return { metadata: null };
  let metadata;
  try {
    metadata = JSON.parse(text);
  } catch (error) {
    throw new Error(`The metadata are not JSON: ${/** @type {Error} */ (error).message}`);
  }
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) throw new Error("The metadata are a JSON object, such as { \"plan\": \"basic\" }.");
  if (hasLongNumber(metadata)) throw new Error("The metadata contain a number that is too long for a browser. Write it as a text, in quotes.");
  const changed = metadataText(metadata);
  return changed === before ? {} : { metadata: changed === "" ? null : metadata };
}
