// The dialog that creates a key, and the one that shows its value, once.

import { html, nothing } from "../vendor/lit-html.js";
import { keyHref, keysPath } from "../lib/keys.js";
import { randomId } from "../lib/random.js";
import { refresh } from "../lib/render.js";
import { mayManage, possibleRoles } from "../lib/roles.js";
import { go } from "../lib/router.js";
import { Session } from "../lib/sessions.js";
import { closeDialog, dialogForm, formState, openDialog } from "./dialog.js";
import { expiryFields, readExpiry } from "./expiry-field.js";
import { textField } from "./fields.js";
import { grantFields, readGrants, roleField } from "./grant-fields.js";
import { icon } from "./icons.js";
import { copyButton } from "./parts.js";
import { toast } from "./toast.js";

/** @typedef {import("../lib/types.js").ApiKey} ApiKey */
/** @typedef {import("../lib/roles.js").Role} Role */

/**
 * @param {Session} session
 * @param {string | null} projectId
 * @param {() => void} onCreated
 */
export function openCreateKey(session, projectId, onCreated) {
  const roles = possibleRoles(projectId).filter((role) => mayManage(session.apiKey.role, role));
  const values = {
    name: "",
    lifetime: "90",
    days: "",
    role: /** @type {Role} */ (projectId ? "none" : "verifier"),
    permissions: "",
    owner: "",
    limit: "",
    windowInSeconds: "60",
    addresses: "",
  };
  const state = formState();
  // The same for each try, also of a form that was changed meanwhile: a request without an answer creates no second key.
  const idempotencyKey = randomId();
  const set = (/** @type {Partial<typeof values>} */ change) => {
    Object.assign(values, change);
    refresh();
  };
  const submit = async () => {
    if (values.name.trim() === "") throw new Error("Give the key a name.");
    const body = { name: values.name.trim(), role: values.role, ...readExpiry(values), ...readGrants(values) };
    const { data, notice } = await session.api.change("POST", keysPath(projectId), body, idempotencyKey);
    onCreated();
    if (notice) {
      toast("The key was created, but its value was lost on the way. Rotate it to get a new one.");
      closeDialog();
      return go(keyHref(projectId, data.id));
    }
    showValue({ session, title: `“${data.name}” was created`, value: data.value, onSaved: () => go(keyHref(projectId, data.id)) });
  };
  const content = () =>
    html`${textField("key-name", { label: "Name", value: values.name, hasFocus: true, maxLength: 255, onInput: (name) => set({ name }), hint: "What the key is for, such as “Nightly backup”." })}
      <div class="field-row">
        ${roleField(values.role, roles, (role) => set({ role }))} ${expiryFields(values, set)}
      </div>
      ${grantFields(values, set)}`;
  openDialog({
    title: projectId ? "New key of this project" : "New key of the organization",
    view: () => dialogForm(state, { content: content(), submit: "Create key", onSubmit: submit }),
  });
}

/**
 * Shows a full value. It cannot be closed before the user says that the value is saved.
 * @param {{ session: Session, title: string, value: string, about?: string, onSaved: () => void }} shown `onSaved`: what
 *   follows, where the session is still on the screen
 */
export function showValue({ session, title, value, about = "", onSaved }) {
  if (session.hasEnded) {
    closeDialog();
    return toast("You were signed out meanwhile. The new value was made, and is not shown; rotate the key to get another one.");
  }
  const owner = {};
  const saved = () => {
    closeDialog();
    if (Session.shown === session) onSaved();
  };
  const view = () =>
    html`<div class="dialog-body">
        ${about ? html`<p>${about}</p>` : nothing}
        <p class="notice">${icon("warning")}<span>Copy the value now. Keystead keeps only its hash, so nobody can show it again.</span></p>
        <output class="secret" aria-label="Value of the key" tabindex="0">${value}</output>
        ${copyButton(owner, value, "Copy value")}
      </div>
      <div class="dialog-foot"><button type="button" class="button primary" @click=${saved}>I have saved it</button></div>`;
  openDialog({ title, view, mustConfirm: true });
}
