// The choice of an expiry.

import { html, nothing } from "../vendor/lit-html.js";
import { now } from "../lib/clock.js";
import { ago } from "../lib/format.js";
import { selectField, textField } from "./fields.js";

/** Days until a key expires. @type {[string, string][]} */
const LIFETIMES = [["7", "7 days"], ["30", "30 days"], ["90", "90 days"], ["365", "1 year"], ["", "Never"], ["other", "Other…"]];

/** @typedef {{ lifetime: string, days: string }} ExpiryValues `lifetime`: days, empty for never, `keep` or `other` */

/**
 * @param {ExpiryValues} values
 * @param {(change: Partial<ExpiryValues>) => void} set
 * @param {{ expiresAt: string | null, canKeep?: boolean }} [key] one that exists
 */
export function expiryFields(values, set, { expiresAt, canKeep = true } = { expiresAt: null, canKeep: false }) {
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
