// The dialog that gives a key a new value.

import { html, nothing } from "../vendor/lit-html.js";
import { now } from "../lib/clock.js";
import { isRotating, stateOf } from "../lib/keys.js";
import { randomId } from "../lib/random.js";
import { refresh } from "../lib/render.js";
import { showValue } from "./create-key.js";
import { dialogForm, formState, openDialog } from "./dialog.js";
import { expiryFields, readExpiry } from "./expiry-field.js";
import { textField } from "./fields.js";
import { ownNotice, reasonField, withReason } from "./key-actions.js";
import { changeKey, closeAfterChange, goOnWith, isOwn } from "./key-target.js";
import { toast } from "./toast.js";

/** @typedef {import("../lib/types.js").ApiKey} ApiKey */
/** @typedef {import("./key-target.js").Target} Target */

/** How long the outgoing value still works, in hours. @type {[string, string, string][]} */
const GRACES = [
  ["0", "Not at all", "It stops working at once. Do this after a leak."],
  ["1", "1 hour", ""],
  ["24", "24 hours", ""],
  ["168", "7 days", ""],
  ["other", "Other…", ""],
];
const MOST_HOURS = 8_784;

/** @param {Target} target @param {ApiKey} key */
export function openRotate(target, key) {
  const hasExpired = stateOf({ ...key, valid: true }, now()) === "expired";
  const rotates = isRotating(key, now());
  const mustEndAtOnce = hasExpired || rotates;
  const values = { grace: mustEndAtOnce ? "0" : "24", hours: "", lifetime: hasExpired ? "90" : "keep", days: "", reason: "" };
  const state = formState();
  // The same for each try, also of a form that was changed meanwhile: a request without an answer does not rotate twice.
  const idempotencyKey = randomId();
  const set = (/** @type {Partial<typeof values>} */ change) => {
    Object.assign(values, change);
    refresh();
  };
  const submit = async () => {
    const hours = readHours(values);
    const body = { ...(hours > 0 ? { gracePeriodInHours: hours } : {}), ...readExpiry(values), ...withReason(values.reason) };
    const onAnswer = (/** @type {any} */ { data, notice }) => {
      if (!notice && isOwn(target)) goOnWith(target.session, data.shadowValue ?? data.value, hours > 0);
    };
    const { data, notice } = await changeKey(target, "POST", "/rotate", body, { idempotencyKey, onAnswer });
    if (notice) {
      closeAfterChange();
      return toast(`The key was rotated, but the new value was lost on the way. ${hours > 0 ? "Cancel the rotation, then rotate again." : "Rotate it again."}`);
    }
    showNewValue(target.session, data, hours > 0);
  };
  const content = () =>
    html`${rotates ? ownNotice("The key is rotating already. Both its values stop working at once, and a third one replaces them.") : nothing}
      ${hasExpired ? html`<p>The key has expired. It gets a new value and a new expiry; the old value stays refused.</p>` : nothing}
      ${key.valid ? nothing : html`<p>The key is deactivated, and stays so: no value works until you activate it.</p>`}
      ${mustEndAtOnce ? nothing : graceFields(values, set)}
      <div class="field-row">${expiryFields(values, set, { expiresAt: key.expiresAt, canKeep: !hasExpired })}</div>
      ${isOwn(target) ? ownNotice("You are signed in with this key. This tab goes on with the new value; others are signed out when the old one stops.") : nothing}
      ${reasonField(values.reason, (reason) => set({ reason }))}`;
  const isDangerous = () => values.grace === "0" && !hasExpired;
  openDialog({
    title: "Rotate the key",
    view: () => dialogForm(state, { content: content(), submit: "Rotate", isDangerous: isDangerous(), onSubmit: submit }),
  });
}

/** @param {{ grace: string, hours: string }} values */
function readHours({ grace, hours }) {
  if (grace !== "other") return Number(grace);
  const whole = Number(hours.trim());
  if (!/^\d+$/.test(hours.trim()) || whole < 1 || whole > MOST_HOURS) throw new Error("The grace period is a whole number of hours from 1 to 8,784.");
  return whole;
}

/**
 * @param {{ grace: string, hours: string }} values
 * @param {(change: { grace?: string, hours?: string }) => void} set
 */
function graceFields(values, set) {
  const choice = (/** @type {[string, string, string]} */ [value, text, about]) =>
    html`<label class="checkbox"
      ><input type="radio" name="grace" value=${value} .checked=${values.grace === value} @change=${() => set({ grace: value })} /><span
        >${text}${about ? html` <span class="muted">${about}</span>` : nothing}</span
      ></label
    >`;
  return html`<fieldset class="key-choices">
      <legend>How long does the old value still work?</legend>
      ${GRACES.map(choice)}
    </fieldset>
    ${values.grace === "other" ? textField("grace-hours", { label: "Hours", value: values.hours, inputMode: "numeric", onInput: (hours) => set({ hours }) }) : nothing}`;
}

/** @param {import("../lib/sessions.js").Session} session @param {ApiKey} key with its new value @param {boolean} hasGrace */
function showNewValue(session, key, hasGrace) {
  const inGrace = "The old value still works. Give the new one to all clients, watch on this page whether the old one is still used, then complete the rotation.";
  showValue({
    session,
    title: "The new value",
    about: hasGrace ? inGrace : "The old value does not work any more.",
    value: (hasGrace ? key.shadowValue : key.value) ?? "",
    onSaved: () => toast(hasGrace ? "The key is rotating. Both values work." : "The key is rotated."),
  });
}
