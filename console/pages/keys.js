// The keys of the organization.

import { html, nothing } from "../vendor/lit-html.js";
import { openCreateKey } from "../ui/create-key.js";
import { icon } from "../ui/icons.js";
import { KeysTable } from "../ui/keys-table.js";
import { empty, pageHead } from "../ui/parts.js";

/** @param {import("../lib/types.js").Context} context @returns {import("../lib/types.js").Page} */
export function keysPage(context) {
  const { session } = context;
  const create = session.may("manage") ? () => openCreateKey(session, null, () => table.reload()) : undefined;
  const button = create
    ? html`<button type="button" class="button primary" @click=${create}>${icon("plus")}New key<kbd>n</kbd></button>`
    : nothing;
  const table = new KeysTable(context, null, () => empty("The organization has no keys of its own yet.", button));
  return {
    title: "Keys",
    create,
    view: () =>
      html`${pageHead("Keys", {
        actions: button,
        about: html`Keys of the organization. Keys of a project are <a href="#/projects">with the project</a>.`,
      })}${table.view()}`,
  };
}
