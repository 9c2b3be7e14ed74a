// The dialogs that create, change and delete a project.

import { html } from "../vendor/lit-html.js";
import { Unanswered } from "../lib/api.js";
import { refresh } from "../lib/render.js";
import { go } from "../lib/router.js";
import { showValue } from "./create-key.js";
import { closeDialog, dialogForm, formState, openDialog } from "./dialog.js";
import { textArea, textField } from "./fields.js";
import { icon } from "./icons.js";
import { given } from "./parts.js";
import { toast } from "./toast.js";

/** @typedef {import("../lib/types.js").Project} Project */
/** @typedef {import("../lib/sessions.js").Session} Session */
/** @typedef {{ name: string, description: string }} Values */

/** @param {Values} values */
function nameAndDescription(values) {
  const set = (/** @type {Partial<Values>} */ change) => (Object.assign(values, change), refresh());
  return html`${textField("project-name", { label: "Name", value: values.name, hasFocus: true, maxLength: 255, onInput: (name) => set({ name }) })}
    ${textArea("project-description", {
      label: "Description",
      isOptional: true,
      rows: 3,
      value: values.description,
      onInput: (description) => set({ description }),
      hint: "What the project is, for the people who manage its keys.",
    })}`;
}

/** @param {Values} values */
function nameOf(values) {
  const name = values.name.trim();
  if (name === "") throw new Error("Give the project a name.");
  return name;
}

/**
 * @param {Session} session
 * @param {() => void} onCreated
 */
export function openCreateProject(session, onCreated) {
  const values = { name: "", description: "" };
  const state = formState();
  const submit = async () => {
    const description = values.description.trim();
    const body = { name: nameOf(values), ...(description ? { description } : {}) };
    const { data } = await session.api.change("POST", "v2/projects", body).catch(explainLostValue);
    onCreated();
    showValue({
      session,
      title: `“${data.project.name}” was created`,
      about: `This is the value of the project's first key, “${data.apiKey.name}”. Its role is ${data.apiKey.role}.`,
      value: data.apiKey.value,
      onSaved: () => go(`#/projects/${data.project.id}`),
    });
  };
  const content = () => html`${nameAndDescription(values)}<p class="hint">The project gets a first key, whose value is shown once.</p>`;
  openDialog({ title: "New project", view: () => dialogForm(state, { content: content(), submit: "Create project", onSubmit: submit }) });
}

/** @param {Error} error @returns {never} */
function explainLostValue(error) {
  if (!(error instanceof Unanswered)) throw error;
  throw new Error(`${error.message} If the list has the project, open it and rotate its first key to get a value.`);
}

/**
 * @param {Session} session
 * @param {Project} project
 * @param {(project: Project) => void} onChanged
 */
export function openChangeProject(session, project, onChanged) {
  const values = { name: project.name, description: project.description ?? "" };
  const state = formState();
  const submit = async () => {
    const [name, description] = [nameOf(values), values.description.trim() || null];
    const change = {
      ...(name === project.name ? {} : { name }),
      ...(description === project.description ? {} : { description }),
    };
    if (Object.keys(change).length === 0) return closeDialog();
    const { data } = await session.api.change("PUT", `v2/projects/${project.id}`, change);
    onChanged(data);
    closeDialog();
    toast("The project was changed.");
  };
  openDialog({ title: "Change the project", view: () => dialogForm(state, { content: nameAndDescription(values), submit: "Save", onSubmit: submit }) });
}

/** A text as the page shows it: several spaces look like one. @param {string} text */
function shownText(text) {
  return text.replace(/\s+/g, " ").trim();
}

/**
 * @param {Session} session
 * @param {Project} project
 */
export function openDeleteProject(session, project) {
  const values = { typed: "", reason: "" };
  const state = formState();
  const set = (/** @type {Partial<typeof values>} */ change) => (Object.assign(values, change), refresh());
  const submit = async () => {
    const reason = values.reason.trim();
    await session.api.change("DELETE", `v2/projects/${project.id}`, reason ? { reason } : {});
    closeDialog();
    toast(`“${project.name}” was deleted, and its keys were revoked.`);
    go("#/projects");
  };
  const content = () =>
    html`<p class="notice">${icon("warning")}<span>All keys of the project are revoked at once and for good. Whoever uses them is refused from then on.</span></p>
      ${textField("project-typed", {
        label: "Type the name of the project",
        value: values.typed,
        hasFocus: true,
        hint: html`The name is <b>${given(project.name)}</b>.`,
        onInput: (typed) => set({ typed }),
      })}
      ${textField("project-reason", {
        label: "Reason",
        isOptional: true,
        value: values.reason,
        maxLength: 255,
        hint: "For the audit log.",
        onInput: (reason) => set({ reason }),
      })}`;
  const form = () => ({
    content: content(),
    submit: "Delete project",
    isDangerous: true,
    isDisabled: shownText(values.typed) !== shownText(project.name),
    onSubmit: submit,
  });
  openDialog({ title: "Delete the project", view: () => dialogForm(state, form()) });
}
