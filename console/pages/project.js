// One project: what it is, and its keys.

import { html, nothing } from "../vendor/lit-html.js";
import { Refused } from "../lib/api.js";
import { resource } from "../lib/resource.js";
import { openCreateKey } from "../ui/create-key.js";
import { icon } from "../ui/icons.js";
import { KeysTable } from "../ui/keys-table.js";
import { copyButton, crumb, empty, failure, given, pageHead, when } from "../ui/parts.js";
import { openChangeProject, openDeleteProject } from "../ui/project-dialogs.js";

/** @typedef {import("../lib/types.js").Project} Project */
/** @typedef {import("../lib/types.js").Context} Context */
/** @typedef {import("../lib/types.js").Page} Page */

const ID = /^proj_[0-9a-f]{16}$/;

/** @param {Context} context @returns {Page} */
export function projectPage(context) {
  const { session, signal } = context;
  const { projectId = "" } = context.params;
  const above = session.projectId ? nothing : crumb("#/projects", "Projects");
  if (!ID.test(projectId)) return missing(above);
  const path = `v2/projects/${projectId}`;
  const reading = resource(() => /** @type {Promise<Project>} */ (session.api.get(path, {}, signal)));
  const create = session.may("manage") ? () => openCreateKey(session, projectId, () => table.reload()) : undefined;
  const button = create
    ? html`<button type="button" class="button primary" @click=${create}>${icon("plus")}New key<kbd>n</kbd></button>`
    : nothing;
  const table = new KeysTable(context, projectId, () => empty("The project has no keys.", button));
  const copied = {};

  const actions = (/** @type {Project} */ project) => {
    const change = () => openChangeProject(session, project, (changed) => (reading.data = changed));
    return html`${session.may("administer")
      ? html`<button type="button" class="button" @click=${change}>${icon("edit")}Change</button>
          <button type="button" class="button danger-quiet" @click=${() => openDeleteProject(session, project)}>${icon("trash")}Delete</button>`
      : nothing}${button}`;
  };
  const facts = (/** @type {Project | undefined} */ project) =>
    html`<div class="project-facts">
      <code>${projectId}</code>${copyButton(copied, projectId, "Copy id")}
      <span class="muted">${project ? html`created ${when(project.created_at, { canFocus: true })}` : nothing}</span>
    </div>`;
  const view = () => {
    const project = reading.data;
    if (!project && reading.error instanceof Refused && reading.error.status === 404) return missing(above).view();
    if (!project && reading.error) return html`${pageHead("Project", { above })}${failure(reading.error, reading.reload)}`;
    return html`${pageHead(project ? given(project.name) : html`<span class="project-waiting skeleton-line" role="status" aria-label="Loading"></span>`, {
        above,
        actions: project ? actions(project) : button,
        about: project?.description ? html`<span class="project-description">${given(project.description)}</span>` : nothing,
      })}
      ${facts(project)}
      <h2 class="project-keys">Keys of this project</h2>
      ${table.view()}`;
  };
  return {
    get title() {
      return reading.data?.name ?? "Project";
    },
    create,
    view,
  };
}

/** @param {import("../lib/types.js").View} above @returns {Page} */
function missing(above) {
  return { title: "Project", view: () => html`${pageHead("Project", { above })}${empty("There is no such project. It may have been deleted.")}` };
}
