// The organization: its name, the server's documents, and the head of its audit log.

import { html, nothing } from "../vendor/lit-html.js";
import { refresh } from "../lib/render.js";
import { resource } from "../lib/resource.js";
import { chainHead, readHead } from "../ui/chain-head.js";
import { closeDialog, dialogForm, formState, openDialog } from "../ui/dialog.js";
import { textField } from "../ui/fields.js";
import { icon } from "../ui/icons.js";
import { card, copyButton, given, loaded, pageHead, when } from "../ui/parts.js";
import { toast } from "../ui/toast.js";

/** @typedef {import("../lib/types.js").Organization} Organization */
/** @typedef {import("../lib/sessions.js").Session} Session */

const PATH = "v2/organization";

/** @param {import("../lib/types.js").Context} context @returns {import("../lib/types.js").Page} */
export function organizationPage({ session, signal }) {
  const reading = resource(async () => {
    session.organization = await session.api.get(PATH, {}, signal);
    return /** @type {Organization} */ (session.organization);
  });
  const head = session.may("audit") ? resource(() => readHead(session, signal)) : undefined;
  const copied = {};
  const rename = (/** @type {Organization} */ organization) =>
    openRename(session, organization, (changed) => {
      session.organization = changed;
      reading.data = changed;
    });

  const facts = (/** @type {Organization} */ organization) =>
    html`<dl class="facts organization-facts">
      <dt>Name</dt>
      <dd>${given(organization.name)}</dd>
      <dt>Id</dt>
      <dd class="with-copy"><code>${organization.id}</code>${copyButton(copied, organization.id)}</dd>
      <dt>Created</dt>
      <dd>${when(organization.created_at, { canFocus: true })}</dd>
    </dl>`;
  const button = () => {
    const organization = reading.data;
    if (!session.may("administer") || !organization) return nothing;
    return html`<button type="button" class="button" @click=${() => rename(organization)}>${icon("edit")}Rename</button>`;
  };
  return {
    title: "Organization",
    view: () => html`${pageHead("Organization")}
      ${card("About", loaded(reading, facts), { actions: button() })}
      ${head ? card("Audit log", chainHead(head), { actions: html`<a class="button" href="#/audit">Open the audit log</a>` }) : nothing}
      ${card("Documents of this server", documents(), { about: "They open in a new tab." })}`,
  };
}

function documents() {
  const link = (/** @type {string} */ href, /** @type {string} */ name, /** @type {string} */ what) =>
    html`<li><a href=${href} target="_blank" rel="noopener">${name}</a><span class="muted">${what}</span></li>`;
  return html`<ul class="documents">
    ${link("../docs", "API viewer", "All requests of the API, to read and to try.")}
    ${link("../openapi.json", "openapi.json", "The same for programs, as OpenAPI 3.1.")}
  </ul>`;
}

/**
 * @param {Session} session
 * @param {Organization} organization
 * @param {(organization: Organization) => void} onRenamed
 */
function openRename(session, organization, onRenamed) {
  const state = formState();
  let name = organization.name;
  const submit = async () => {
    const wanted = name.trim();
    if (wanted === "") throw new Error("Give the organization a name.");
    if (wanted !== organization.name) {
      onRenamed((await session.api.change("PUT", PATH, { name: wanted })).data);
      toast("The organization was renamed.");
    }
    closeDialog();
  };
  const content = () =>
    textField("organization-name", { label: "Name", value: name, hasFocus: true, maxLength: 255, onInput: (value) => ((name = value), refresh()) });
  openDialog({ title: "Rename the organization", view: () => dialogForm(state, { content: content(), submit: "Rename", onSubmit: submit }) });
}
