// The projects of the organization.

import { html, nothing } from "../vendor/lit-html.js";
import { count, plural } from "../lib/format.js";
import { GrowingList } from "../lib/growing-list.js";
import { refresh } from "../lib/render.js";
import { searchBox } from "../ui/filters.js";
import { icon } from "../ui/icons.js";
import { empty, failure, given, pageHead, when } from "../ui/parts.js";
import { openCreateProject } from "../ui/project-dialogs.js";

/** @typedef {import("../lib/types.js").Project} Project */

const PAGE = 200;

/** @param {import("../lib/types.js").Context} context @returns {import("../lib/types.js").Page} */
export function projectsPage({ session, signal }) {
  const read = () =>
    new GrowingList(async (cursor) => {
      const { projects, nextCursor } = await session.api.get("v2/projects", { limit: PAGE, cursor }, signal);
      return { items: /** @type {Project[]} */ (projects), next: nextCursor };
    }, signal);
  let list = read();
  let search = "";
  let mostShown = PAGE;
  const create = session.may("administer") ? () => openCreateProject(session, () => (list = read())) : undefined;
  const button = create
    ? html`<button type="button" class="button primary" @click=${create}>${icon("plus")}New project<kbd>n</kbd></button>`
    : nothing;
  const onInput = (/** @type {string} */ text) => {
    search = text;
    mostShown = PAGE;
    refresh();
  };
  const clear = () => ((search = ""), refresh());
  const more = () => ((mostShown += PAGE), refresh());

  /** A search is among all names, so all of them are read. */
  const found = () => {
    const text = search.trim().toLocaleLowerCase();
    if (text !== "" && !list.isComplete && !list.isLoading && !list.error) list.readOn();
    return text === "" ? list.items : list.items.filter((project) => project.name.toLocaleLowerCase().includes(text));
  };

  const rows = () => {
    const all = found();
    if (list.error && all.length === 0) return failure(list.error, () => list.readOn());
    if (list.items.length === 0 && list.isComplete) return empty("There are no projects yet. A project has keys of its own, which see and change nothing else.", button);
    if (all.length === 0 && list.isLoading) return waiting();
    if (all.length === 0) return empty("No project has this text in its name.", html`<button type="button" class="button" @click=${clear}>Clear the search</button>`);
    const shown = all.slice(0, search.trim() ? mostShown : Infinity);
    return html`<ul class="projects">${shown.map(row)}</ul>${end(all.length, shown.length)}`;
  };

  const end = (/** @type {number} */ found, /** @type {number} */ shown) => {
    if (list.error) return failure(list.error, () => list.readOn());
    const isCut = shown < found;
    if (!isCut && list.isComplete) return html`<p class="table-end">${plural(found, "project")}${search.trim() ? " with this text in the name" : ""}</p>`;
    const isBusy = !isCut && list.isLoading;
    return html`<p class="table-end" role="status">
      <span>${count(shown)} projects so far</span>
      <button type="button" class="button" aria-busy=${isBusy} @click=${isCut ? more : () => list.readOn()}>Show more</button>
    </p>`;
  };

  const view = () => html`${pageHead("Projects", { actions: button, about: "Each project has keys of its own. They see and change nothing outside of it." })}
    ${list.items.length > 0 || search ? html`<search class="projects-search">${searchBox({ label: "Search by name", value: search, onInput })}</search>` : nothing}${rows()}`;
  return { title: "Projects", create, view };
}

/** @param {Project} project */
function row(project) {
  return html`<li class="project">
    <a class="project-link" href="#/projects/${project.id}">${given(project.name)}</a>
    ${project.description ? html`<p class="project-about muted">${given(project.description)}</p>` : nothing}
    <span class="project-created muted">created ${when(project.created_at)}</span>
  </li>`;
}

function waiting() {
  return html`<div class="projects skeleton" role="status" aria-label="Loading">
    ${Array.from({ length: 4 }, () => html`<div class="project"><div class="skeleton-line"></div></div>`)}
  </div>`;
}
