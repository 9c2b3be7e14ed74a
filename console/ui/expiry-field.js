// The choice of a new expiry for a key that exists.

import { html, nothing } from "../vendor/lit-html.js";
import { now } from "../lib/clock.js";
import { ago } from "../lib/format.js";
import { LIFETIMES } from "./create-key.js";
import { selectField, textField } from "./fields.js";

/** @typedef {{ lifetime: string, days: string }} ExpiryValues `lifetime`: days, empty for never, `keep` or `other` */

/**
 * @param {ExpiryValues} values
 * @param {(change: Partial<ExpiryValues>) => void} set
 * @param {{ expiresAt: string | null, canKeep?: boolean }} key
 */
export function expiryFields(values, set, { expiresAt, canKeep = true }) {
  const hasExpired = expiresAt !== null && Date.parse(expiresAt) <= now();
  const current = expiresAt === null ? "It never expires." : `It ${hasExpired ? "expired" : "expires"} ${ago(expiresAt, now())}.`;
  const hint = values.lifetime === "keep" ? current : values.lifetime === "" ? undefined : "Counted from now.";
  /** @type {[string, string][]} */
  const choices = [...(canKeep ? [/** @type {[string, string]} */ (["keep", "Keep as it is"])] : []), ...LIFETIMES];
  return html`${selectField("key-expiry", { label: "Expires after", value: values.lifetime, choices, onChange: (lifetime) => set({ lifetime }), hint })}
  ${values.lifetime === "other"
    ? textField("key-expiry-days", { label: "Days from now", value: values.days, inputMode: "numeric", onInput: (days) => set({ days }) })
    : nothing}`;
}

/**
 * The field of a request; none where the expiry stays.
 * @param {ExpiryValues} values
 * @returns {{ expiresInDays?: number | null }}
 */
export function readExpiry({ lifetime, days }) {
  if (lifetime === "keep") return {};
  if (lifetime === "") return { expiresInDays: null };
  if (lifetime !== "other") return { expiresInDays: Number(lifetime) };
  if (!/^[1-9]\d*$/.test(days.trim())) throw new Error("The days until it expires are a whole number from 1 on.");
  return { expiresInDays: Number(days) };
}
