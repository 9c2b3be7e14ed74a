// Dialogs: one at a time, over the page. The browser keeps the focus within, and Escape closes.

import { html, nothing } from "../vendor/lit-html.js";
import { refresh } from "../lib/render.js";
import { icon } from "./icons.js";

/** @typedef {import("../lib/types.js").View} View */

/**
 * @typedef {object} Dialog
 * @property {string} title
 * @property {() => View} view
 * @property {boolean} [mustConfirm] neither Escape nor a click beside it closes it
 * @property {boolean} [isWide]
 */

/** @type {Dialog | undefined} */
let open;
/** What had the focus before. @type {Element | null} */
let before = null;

/** The dialog that is on the screen. @type {Dialog | undefined} */
let shown;
/** The form of the open dialog. @type {{ isBusy: boolean } | undefined} */
let sent;

/** @param {Dialog} dialog */
export function openDialog(dialog) {
  if (!open) before = document.activeElement;
  open = dialog;
  sent = undefined;
  refresh();
}

/** Closes the dialog, if one is open. */
export function closeDialog() {
  if (!open) return;
  open = undefined;
  sent = undefined;
  refresh();
  const opener = before;
  queueMicrotask(() => opener instanceof HTMLElement && opener.isConnected && opener.focus());
}

/**
 * Closes the dialog for the user, unless it shows what is shown nowhere else and must be confirmed, or its form is on the
 * way: the answer still finds it.
 */
export function dismissDialog() {
  if (!open?.mustConfirm && !sent?.isBusy) closeDialog();
}

/** Closes the dialog of a session that has ended, unless it shows what is shown nowhere else. */
export function dropDialog() {
  if (!open?.mustConfirm) closeDialog();
}

/** Whether a dialog is open. */
export function isDialogOpen() {
  return open !== undefined;
}

/** Draws the open dialog. */
export function dialogView() {
  if (!open) return nothing;
  const dialog = open;
  const cancel = (/** @type {Event} */ event) => {
    event.preventDefault();
    dismissDialog();
  };
  return html`<dialog
    class=${dialog.isWide ? "wide" : ""}
    aria-labelledby="dialog-title"
    @cancel=${cancel}
    @keydown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && cancel(event)}
  >
    <div class="dialog-head">
      <h2 id="dialog-title" tabindex="-1">${dialog.title}</h2>
      ${dialog.mustConfirm
        ? nothing
        : html`<button type="button" class="icon-button" aria-label="Close" @click=${dismissDialog}>${icon("close")}</button>`}
    </div>
    ${dialog.view()}
  </dialog>`;
}

/** Shows what was drawn as a dialog. The focus goes into each new one. @param {Element} container */
export function showDrawnDialog(container) {
  const dialog = container.querySelector("dialog");
  if (!dialog || shown === open) {
    shown = open;
    return;
  }
  shown = open;
  if (!dialog.open) dialog.showModal();
  const first = dialog.querySelector("[data-focus]") ?? dialog.querySelector("#dialog-title");
  if (first instanceof HTMLElement) first.focus();
}

/**
 * A form in a dialog, with its buttons. While it is sent, it cannot be sent again; an error stands above the buttons.
 * @param {{ error: Error | undefined, isBusy: boolean }} state
 * @param {{ content: View, submit: string, isDangerous?: boolean, isDisabled?: boolean, canClose?: boolean,
 *   onSubmit: () => unknown }} form `canClose`: also while it is sent
 */
export function dialogForm(state, { content, submit, isDangerous = false, isDisabled = false, canClose = false, onSubmit }) {
  if (!canClose) sent = state;
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (state.isBusy || isDisabled) return;
    Object.assign(state, { isBusy: true, error: undefined });
    refresh();
    try {
      await onSubmit();
    } catch (error) {
      state.error = /** @type {Error} */ (error);
    }
    state.isBusy = false;
    refresh();
  };
  return html`<form class="dialog-form" @submit=${send} novalidate>
    <div class="dialog-body">${content}</div>
    ${state.error ? html`<p class="form-error" role="alert">${icon("warning")}<span>${state.error.message}</span></p>` : nothing}
    <div class="dialog-foot">
      <button type="button" class="button" ?disabled=${state.isBusy && !canClose} @click=${dismissDialog}>Cancel</button>
      <button type="submit" class="button ${isDangerous ? "danger" : "primary"}" ?disabled=${isDisabled} aria-busy=${state.isBusy}>
        ${submit}
      </button>
    </div>
  </form>`;
}

/** The state of a form that was not sent yet. @returns {{ error: Error | undefined, isBusy: boolean }} */
export function formState() {
  return { error: undefined, isBusy: false };
}
