// Fields of what narrows a key: role, permissions, owner, rate limit, addresses. For new keys and for changes.

import { html } from "../vendor/lit-html.js";
import { MEANINGS } from "../lib/roles.js";
import { selectField, textArea, textField } from "./fields.js";

/** @typedef {import("../lib/roles.js").Role} Role */

/**
 * The role, with what it means.
 * @param {Role} role
 * @param {Role[]} roles to choose from
 * @param {(role: Role) => void} onChange
 */
export function roleField(role, roles, onChange) {
  return selectField("key-role", {
    label: "Role",
    value: role,
    choices: roles.map((one) => [one, one]),
    onChange: (chosen) => onChange(/** @type {Role} */ (chosen)),
    hint: MEANINGS[role],
  });
}

/**
 * The fields as they are written.
 * @typedef {object} GrantValues
 * @property {string} permissions
 * @property {string} owner
 * @property {string} limit
 * @property {string} windowInSeconds
 * @property {string} addresses
 */

/**
 * @param {GrantValues} values
 * @param {(change: Partial<GrantValues>) => void} set
 */
export function grantFields(values, set) {
  return html`${textField("key-owner", { label: "Owner", isOptional: true, value: values.owner, maxLength: 255, onInput: (owner) => set({ owner }), hint: "A person, a service, a customer number." })}
    ${textField("key-permissions", {
      label: "Permissions",
      isOptional: true,
      isCode: true,
      value: values.permissions,
      placeholder: "invoices:read orders:*",
      onInput: (permissions) => set({ permissions }),
      hint: "What your own services let it do; separated by spaces.",
    })}
    <div class="field-row">
      ${textField("key-limit", { label: "Most uses", isOptional: true, value: values.limit, inputMode: "numeric", placeholder: "no limit", onInput: (limit) => set({ limit }) })}
      ${textField("key-window", { label: "In seconds", value: values.windowInSeconds, inputMode: "numeric", onInput: (windowInSeconds) => set({ windowInSeconds }) })}
    </div>
    ${textArea("key-addresses", {
      label: "Allowed addresses",
      isOptional: true,
      isCode: true,
      value: values.addresses,
      placeholder: "10.0.0.0/8 2001:db8::/32",
      onInput: (addresses) => set({ addresses }),
      hint: "Clients elsewhere are refused. Empty: any address.",
    })}`;
}

/**
 * The fields of a request; without those that are empty.
 * @param {GrantValues} values
 */
export function readGrants(values) {
  const [permissions, addresses] = [words(values.permissions), words(values.addresses)];
  const limit = readLimit(values);
  return {
    ...(permissions.length > 0 ? { permissions } : {}),
    ...(values.owner.trim() ? { owner: values.owner.trim() } : {}),
    ...(limit ? { rateLimit: limit } : {}),
    ...(addresses.length > 0 ? { allowedAddresses: addresses } : {}),
  };
}

/**
 * The rate limit; null without one.
 * @param {Pick<GrantValues, "limit" | "windowInSeconds">} values
 */
export function readLimit({ limit, windowInSeconds }) {
  if (limit.trim() === "") return null;
  const [uses, seconds] = [Number(limit), Number(windowInSeconds)];
  if (!Number.isInteger(uses) || !Number.isInteger(seconds)) throw new Error("The limit is a whole number of uses in a whole number of seconds.");
  return { limit: uses, windowInSeconds: seconds };
}

/** @param {string} text */
export function words(text) {
  return text.split(/[\s,]+/).filter((word) => word !== "");
}
