// Sign-in with an API key.

import { html, nothing } from "../vendor/lit-html.js";
import { Refused } from "../lib/api.js";
import { refresh } from "../lib/render.js";
import { checkbox, textField } from "../ui/fields.js";
import { icon, logo } from "../ui/icons.js";

/** @typedef {import("../lib/sessions.js").Session} Session */

const form = { key: "", isRemembered: false, error: "", isBusy: false };
/** The last attempt to sign in: an answer to an earlier one signs nobody in. */
let attempt = 0;

/** Forgets what was typed. */
export function resetSignIn() {
  attempt++;
  Object.assign(form, { key: "", isRemembered: false, error: "", isBusy: false });
}

/**
 * @param {{ sentence: string, onSession: (session: Session) => void, onCancel?: () => void,
 *   makeSession: (key: string, isRemembered: boolean) => Session }} options `sentence`: why the user is here
 */
export function signInView({ sentence, onSession, onCancel, makeSession }) {
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const key = form.key.trim();
    if (form.isBusy) return;
    if (key === "") return complain("Paste an API key first.");
    Object.assign(form, { isBusy: true, error: "" });
    refresh();
    const own = ++attempt;
    try {
      const session = makeSession(key, form.isRemembered);
      await session.identify();
      if (own !== attempt) return;
      resetSignIn();
      onSession(session);
    } catch (error) {
      if (own === attempt) complain(sentenceFor(/** @type {Error} */ (error)));
    }
  };
  return html`<main class="sign-in">
    <form class="sign-in-card" @submit=${submit} novalidate>
      <div class="brand">${logo()}<span>Keystead</span></div>
      <h1 tabindex="-1">${onCancel ? "Sign in to another organization" : "Sign in"}</h1>
      ${sentence ? html`<p class="notice" role="alert">${icon("warning")}<span>${sentence}</span></p>` : nothing}
      ${isSecureContext
        ? nothing
        : html`<p class="notice">${icon("warning")}<span>This page came over plain HTTP: others on the network can read your key. Use HTTPS.</span></p>`}
      ${textField("sign-in-key", {
        label: "API key",
        type: "password",
        value: form.key,
        isCode: true,
        hasFocus: true,
        hint: html`The first key was printed at the first start, or written to the file <code>first-key</code>. On the server,
          <code>keystead keys create</code> makes another one.`,
        onInput: (value) => Object.assign(form, { key: value }),
      })}
      ${checkbox({
        label: "Remember the key in this tab until it is closed",
        isChecked: form.isRemembered,
        onChange: (isRemembered) => Object.assign(form, { isRemembered }),
      })}
      ${form.error ? html`<p class="form-error" role="alert">${icon("warning")}<span>${form.error}</span></p>` : nothing}
      <button type="submit" class="button primary large" aria-busy=${form.isBusy}>Sign in</button>
      ${onCancel ? html`<button type="button" class="button large" @click=${onCancel}>Back</button>` : nothing}
      <p class="hint">The key stays in this page. It is never in an address, and gone when you reload, unless you tick the box.</p>
    </form>
  </main>`;
}

/** @param {string} error */
function complain(error) {
  Object.assign(form, { error, isBusy: false });
  refresh();
}

/** @param {Error} error */
function sentenceFor(error) {
  return error instanceof Refused ? error.message : "The server does not answer. Try again.";
}
