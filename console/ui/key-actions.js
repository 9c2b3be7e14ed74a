// Dialogs that switch a key off and on, revoke it, and end its rotation.

import { html, nothing } from "../vendor/lit-html.js";
import { ago, tail } from "../lib/format.js";
import { keysHref, stateOf } from "../lib/keys.js";
import { now } from "../lib/clock.js";
import { refresh } from "../lib/render.js";
import { go } from "../lib/router.js";
import { closeDialog, dialogForm, formState, openDialog } from "./dialog.js";
import { textField } from "./fields.js";
import { icon } from "./icons.js";
import { changeKey, closeAfterChange, endSession, goBack, isOwn, isOwnValue, knowsOutgoing } from "./key-target.js";
import { given } from "./parts.js";
import { toast } from "./toast.js";

/** @typedef {import("../lib/types.js").ApiKey} ApiKey */
/** @typedef {import("../lib/types.js").View} View */
/** @typedef {import("./key-target.js").Target} Target */

/** Longer names are confirmed by their number. */
const LONGEST_TYPED = 40;

/** The field for the reason of a change. @param {string} value @param {(reason: string) => void} onInput */
export function reasonField(value, onInput) {
  return textField("key-reason", { label: "Reason", isOptional: true, value, maxLength: 255, onInput, hint: "Kept in the audit log." });
}

/** `reason` of a request. @param {string} reason */
export function withReason(reason) {
  return reason.trim() ? { reason: reason.trim() } : {};
}

/** What a change means for the user's own session. @param {string} sentence */
export function ownNotice(sentence) {
  return html`<p class="notice">${icon("warning")}<span>${sentence}</span></p>`;
}

/**
 * A dialog that asks before a change, with room for a reason.
 * @param {{ title: string, about: View, warning?: string, submit: string, isDangerous?: boolean, onSubmit: (reason: string) => Promise<unknown> }} options
 */
function openConfirm({ title, about, warning, submit, isDangerous = false, onSubmit }) {
  const state = formState();
  let reason = "";
  const content = () =>
    html`<p>${about}</p>
      ${warning ? ownNotice(warning) : nothing}
      ${reasonField(reason, (text) => (reason = text))}`;
  openDialog({ title, view: () => dialogForm(state, { content: content(), submit, isDangerous, onSubmit: () => onSubmit(reason) }) });
}

/** @param {Target} target @param {ApiKey} key */
export function openDeactivate(target, key) {
  openConfirm({
    title: "Deactivate the key",
    about: html`From now on, every use of ${given(key.name)} is refused, until you activate it again. Its value stays the same.`,
    warning: isOwn(target) ? "You are signed in with this key: you will be signed out, and somebody else has to activate it." : undefined,
    submit: "Deactivate",
    isDangerous: true,
    onSubmit: async (reason) => {
      const end = () => isOwn(target) && endSession(target.session, "You deactivated it.");
      await changeKey(target, "PUT", "", { valid: false, ...withReason(reason) }, { onAnswer: end });
      closeAfterChange();
      toast("The key is deactivated.");
    },
  });
}

/** @param {Target} target @param {ApiKey} key */
export function openActivate(target, key) {
  const hasExpired = stateOf({ ...key, valid: true }, now()) === "expired";
  openConfirm({
    title: "Activate the key",
    about: hasExpired
      ? html`${given(key.name)} has expired. It stays refused until you also set a later expiry, under “Change”.`
      : html`${given(key.name)} works again, with the same value as before.`,
    submit: "Activate",
    onSubmit: async (reason) => {
      await changeKey(target, "PUT", "", { valid: true, ...withReason(reason) });
      closeAfterChange();
      toast("The key is activated.");
    },
  });
}

/** Whether few people could type this name. @param {string} name */
function isHardToType(name) {
  return name.length > LONGEST_TYPED || !/^[\x20-\x7e\u00a1-\u00ac\u00ae-\u017f]*$/.test(name) || /\s\s/.test(name);
}

/** @param {Target} target @param {ApiKey} key */
export function openRevoke(target, key) {
  const state = formState();
  const values = { typed: "", reason: "" };
  const isHard = isHardToType(key.name);
  const isConfirmed = () => values.typed.trim() === key.name || (isHard && values.typed.trim() === String(key.id));
  const submit = async () => {
    const { session, projectId } = target;
    const own = isOwn(target);
    await changeKey(target, "DELETE", "", withReason(values.reason), { onAnswer: () => own && endSession(session, "You revoked it.") });
    closeDialog();
    toast("The key is revoked.");
    if (!own) go(keysHref(projectId));
  };
  const content = () =>
    html`<p>All values of the key stop working at once. This is final: a revoked key cannot be brought back.</p>
      <p class="key-quoted">${given(key.name)}</p>
      ${isOwn(target) ? ownNotice("You are signed in with this key: you will be signed out.") : nothing}
      ${textField("revoke-name", {
        label: isHard ? `Type the name of the key, or its number ${key.id}` : "Type the name of the key",
        value: values.typed,
        hasFocus: true,
        hint: isHard ? "The number is accepted because this name is hard to type." : undefined,
        onInput: (typed) => (Object.assign(values, { typed }), refresh()),
      })}
      ${reasonField(values.reason, (reason) => Object.assign(values, { reason }))}`;
  openDialog({
    title: "Revoke the key",
    view: () => dialogForm(state, { content: content(), submit: "Revoke for good", isDangerous: true, isDisabled: !isConfirmed(), onSubmit: submit }),
  });
}

/** @param {string | null | undefined} time */
function lastUse(time) {
  return time ? html`It was last used ${ago(time, now())}.` : html`It was never used.`;
}

/** @param {Target} target @param {ApiKey} key */
export function openComplete(target, key) {
  const { rotation } = key;
  const isSafe = rotation?.isSafeToComplete ?? false;
  const own = isOwnValue(target, key.value);
  openConfirm({
    title: "Complete the rotation",
    about: html`The outgoing value <code>${tail(key.value)}</code> stops working at once. ${lastUse(rotation?.valueLastUsed)}
      ${isSafe ? "The new value is in use, so no client should notice." : "A client that still uses it will be refused."}`,
    warning: own ? "You are signed in with the outgoing value: you will be signed out. Sign in again with the new one." : undefined,
    submit: "Complete the rotation",
    isDangerous: !isSafe,
    onSubmit: async (reason) => {
      const end = () => own && endSession(target.session, "You completed its rotation: sign in with the new value.");
      await changeKey(target, "POST", "/rotate/complete", withReason(reason), { onAnswer: end });
      closeAfterChange();
      toast("The rotation is complete. Only the new value works.");
    },
  });
}

/** @param {Target} target @param {ApiKey} key */
export function openCancel(target, key) {
  const own = isOwnValue(target, key.shadowValue);
  const canGoBack = own && knowsOutgoing(target, key);
  const after = () => {
    if (canGoBack) goBack(target.session);
    else if (own) endSession(target.session, "You cancelled its rotation: sign in with the value that stayed.");
  };
  openConfirm({
    title: "Cancel the rotation",
    about: html`The new value <code>${tail(key.shadowValue ?? "")}</code> stops working at once.
      ${lastUse(key.rotation?.shadowValueLastUsed)} The outgoing value <code>${tail(key.value)}</code> stays.`,
    warning: own && !canGoBack ? "You are signed in with the new value: you will be signed out." : undefined,
    submit: "Drop the new value",
    isDangerous: true,
    onSubmit: async (reason) => {
      await changeKey(target, "POST", "/rotate/cancel", withReason(reason), { onAnswer: after });
      closeAfterChange();
      toast("The rotation is cancelled. Only the former value works.");
    },
  });
}
