// The key that is signed in: what it is, and what it may do here.

import { html, nothing } from "../vendor/lit-html.js";
import { rateLimit } from "../lib/format.js";
import { keyHref } from "../lib/keys.js";
import { resource } from "../lib/resource.js";
import { MEANINGS } from "../lib/roles.js";
import { icon } from "../ui/icons.js";
import { card, given, loaded, pageHead, roleLabel, skeleton, stateLabels, when } from "../ui/parts.js";

/** @typedef {import("../lib/types.js").ApiKey} ApiKey */
/** @typedef {import("../lib/types.js").View} View */
/** @typedef {import("../lib/sessions.js").Session} Session */
/** @typedef {import("../lib/roles.js").Role} Role */
/** @typedef {{ may: string[], mayNot: string[] }} Rights */

const READS_ITSELF = "Read its own facts, as on this page";

/** What a key of the organization may do. @type {Record<Role, Rights>} */
const OF_ORGANIZATION = {
  admin: {
    may: [
      "Create, change, rotate and revoke keys of every role",
      "Create, change and delete projects, and rename the organization",
      "Read how often keys are used",
      "Read and export the audit log",
      "Ask whether keys are valid",
    ],
    mayNot: [],
  },
  manager: {
    may: ["Create, change, rotate and revoke keys below admin", "Read keys and projects, and how often keys are used", "Ask whether keys are valid"],
    mayNot: ["Change projects or the organization", "Read the audit log"],
  },
  auditor: {
    may: ["Read keys and projects, and how often keys are used", "Read and export the audit log"],
    mayNot: ["Change anything", "Ask whether keys are valid"],
  },
  verifier: { may: ["Ask whether keys are valid", "Read the name of the organization", READS_ITSELF], mayNot: ["See or change other keys"] },
  none: { may: [READS_ITSELF], mayNot: ["See or change other keys", "Ask whether keys are valid"] },
};

/** What a key of a project may do. @type {Partial<Record<Role, Rights>>} */
const OF_PROJECT = {
  manager: {
    may: ["Create, change, rotate and revoke keys of its project", "Read how often these keys are used", "Ask whether any key of the organization is valid"],
    mayNot: ["See or change anything outside its project", "Read the audit log"],
  },
  verifier: { may: ["Ask whether any key of the organization is valid", READS_ITSELF], mayNot: ["See or change other keys"] },
};

/** @param {import("../lib/types.js").Context} context @returns {import("../lib/types.js").Page} */
export function accessPage({ session, signal }) {
  const { api, projectId } = session;
  /** @type {import("../lib/resource.js").Resource<ApiKey>} */
  const key = resource(async () => {
    const { apiKey } = await api.get("v2/whoami", {}, signal);
    session.apiKey = apiKey;
    return apiKey;
  });
  /** @type {import("../lib/resource.js").Resource<import("../lib/types.js").Project> | undefined} */
  const project = projectId && session.may("read") ? resource(() => api.get(`v2/projects/${projectId}`, {}, signal)) : undefined;
  const link = html`<a class="button" href=${keyHref(projectId, session.apiKey.id)}>${icon("key")}Open its page</a>`;
  return {
    title: "My key",
    view: () =>
      html`${pageHead("My key", { about: "The key that is signed in here.", actions: link })}
        ${session.may("read") ? nothing : little(session)}
        <div class="access">
          ${card("The key", loaded(key, (data) => facts(data, session, project?.data), skeleton(11)))}
          ${card("What it may do here", loaded(key, (data) => rights(data.role, projectId), skeleton(5)))}
        </div>`,
  };
}

/** The console shows little with this key. @param {Session} session */
function little({ apiKey, projectId }) {
  const wanted = projectId
    ? html`To see and manage the keys of the project, ask an administrator for a key of the project with the role <b>manager</b>.`
    : html`To manage keys, ask an administrator for a key with the role <b>manager</b>; only to look, for one with the role <b>auditor</b>.`;
  return html`<p class="notice info little">
    ${icon("key")}<span>With the role <b>${apiKey.role}</b>, the console can show little more than this page. ${wanted}</span>
  </p>`;
}

/**
 * @param {ApiKey} key
 * @param {Session} session
 * @param {import("../lib/types.js").Project | undefined} project
 */
function facts(key, { organization, organizationId, projectId, isRemembered }, project) {
  const fact = (/** @type {string} */ name, /** @type {View | string} */ value) => html`<dt>${name}</dt><dd>${value}</dd>`;
  const none = (/** @type {string} */ text) => html`<span class="muted">${text}</span>`;
  return html`<dl class="facts">
    ${fact("Name", given(key.name))} ${fact("Value", html`<code>${key.value}</code>`)} ${fact("State", stateLabels(key))}
    ${fact("Role", html`${roleLabel(key.role)} <span class="muted">– ${MEANINGS[key.role]}</span>`)}
    ${fact("Organization", html`${organization ? html`${given(organization.name)} ` : nothing}<code class="muted">${organizationId}</code>`)}
    ${projectId ? fact("Project", html`${project ? html`<a href="#/projects/${projectId}">${given(project.name)}</a> ` : nothing}<code class="muted">${projectId}</code>`) : nothing}
    ${fact("Owner", key.owner === null ? none("none") : given(key.owner))}
    ${fact("Permissions", key.permissions.length === 0 ? none("none") : html`<code>${key.permissions.join(" ")}</code>`)}
    ${fact("Limit", key.rateLimit ? rateLimit(key.rateLimit) : none("none"))}
    ${fact("Addresses", key.allowedAddresses?.length ? html`<code>${key.allowedAddresses.join(" ")}</code>` : none("any"))}
    ${fact("Expires", when(key.expiresAt, { canFocus: true }))} ${fact("Created", when(key.created_at, { canFocus: true }))}
    ${fact("In this tab", isRemembered ? "remembered until the tab is closed" : "forgotten when you reload or close the tab")}
  </dl>`;
}

/** @param {Role} role @param {string | null} projectId */
function rights(role, projectId) {
  const { may, mayNot } = (projectId ? OF_PROJECT[role] : undefined) ?? OF_ORGANIZATION[role];
  return html`<ul class="rights" aria-label="It may">${may.map((text) => html`<li>${icon("check")}<span>${text}</span></li>`)}</ul>
    ${mayNot.length > 0
      ? html`<h3>Not with this key</h3>
          <ul class="rights not" aria-label="It may not">${mayNot.map((text) => html`<li>${icon("close")}<span>${text}</span></li>`)}</ul>`
      : nothing}`;
}
