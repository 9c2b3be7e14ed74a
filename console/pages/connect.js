// How to connect a service to this server: from its code, or with a proxy in front of it.

import { html, nothing } from "../vendor/lit-html.js";
import { gateSnippets, readAddress } from "../lib/gates.js";
import { refresh } from "../lib/render.js";
import { resource } from "../lib/resource.js";
import { manageSnippets, serverAddress, SET_KEY, verifySnippets } from "../lib/snippets.js";
import { codeBlock } from "../ui/code-block.js";
import { selectField, textField } from "../ui/fields.js";
import { copyButton, pageHead } from "../ui/parts.js";
import { tabs } from "../ui/tabs.js";

/** @typedef {import("../lib/snippets.js").Snippet} Snippet */
/** @typedef {import("../lib/sessions.js").Session} Session */
/** @typedef {import("../lib/types.js").Project} Project */

const MOST_PROJECTS = 100;
const addressOwner = {};

/** @param {import("../lib/types.js").Context} context @returns {import("../lib/types.js").Page} */
export function connectPage({ session, signal }) {
  const address = serverAddress();
  const canList = session.may("read") && !session.projectId;
  const projects = canList ? resource(() => readProjects(session, signal)) : undefined;
  const gate = { address, query: session.projectId ? `project=${session.projectId}` : "scope=project" };
  return {
    title: "Connect",
    view: () =>
      html`${pageHead("Connect", { about: "Let your services ask this server whether a key is valid." })}
        ${choice(address, session)} ${verifyCard(address, session)} ${gateCard(gate, session, projects?.data ?? [])}
        ${session.may("manage") && !session.projectId ? manageCard(address) : nothing}`,
  };
}

/** @param {Session} session @param {AbortSignal} signal @returns {Promise<Project[]>} */
async function readProjects(session, signal) {
  return (await session.api.get("v2/projects", { limit: MOST_PROJECTS }, signal)).projects;
}

/** Helps to choose. @param {string} address @param {Session} session */
function choice(address, session) {
  const jump = (/** @type {string} */ id) => (/** @type {Event} */ event) => {
    event.preventDefault();
    const target = document.getElementById(id);
    target?.scrollIntoView();
    target?.focus({ preventScroll: true });
  };
  return html`<section class="card choice" aria-labelledby="two-ways">
    <h2 id="two-ways" class="visually-hidden">Two ways</h2>
    <div class="server-address">
      <span class="muted">Address of this server</span><code>${address}</code>${copyButton(addressOwner, address, "Copy address")}
    </div>
    <div class="ways">
      <div>
        <h3>Ask with code</h3>
        <p>
          Your service gets a client’s key and asks about it. Choose this where the service decides by whose key it is. The service needs a key of its own with
          the role <b>verifier</b>. ${createLink(session)}
        </p>
        <a href="#/connect" @click=${jump("ask-with-code")}>Go to the code</a>
      </div>
      <div>
        <h3>Put a gate into a proxy</h3>
        <p>
          nginx, Caddy, Traefik or Envoy asks about each request before it passes it on. Choose this where the service should need no code. The proxy needs no
          key of its own: it asks with the client’s.
        </p>
        <a href="#/connect" @click=${jump("gate-in-a-proxy")}>Go to the configurations</a>
      </div>
    </div>
  </section>`;
}

/** Where a verifier's key comes from. @param {Session} session */
function createLink(session) {
  if (!session.may("manage")) return html`An administrator or a manager creates it.`;
  return html`<a href=${session.projectId ? `#/projects/${session.projectId}` : "#/keys"}>Create it on the page of the keys</a>, or use the first key of your project.`;
}

/** @param {string} address @param {Session} session */
function verifyCard(address, session) {
  const canAsk = ["admin", "manager", "verifier"].includes(session.apiKey.role);
  const content = html`<p class="about">
      The programs read the key of the service from <code>KEYSTEAD_KEY</code>. ${canAsk ? nothing : `Your own key, with the role ${session.apiKey.role}, may not ask. `}In
      a shell, set it like this:
    </p>
    ${codeBlock("set-key", { name: "Shell (bash or zsh)", code: SET_KEY })} ${snippetTabs("verify", "Languages", verifySnippets(address))}
    <ul class="notes">
      <li>Let a request pass only if <code>code</code> is <code>VALID</code>. Refuse it where Keystead cannot be asked.</li>
      <li>Give the client’s address: a key that is limited to addresses is refused without it.</li>
      <li>Where <code>project</code> is null, the key belongs to the organization and may be an administrator’s. Give clients keys of a project.</li>
      <li>Do not cache answers: a revoked key is refused on the next request.</li>
      <li>
        The guides <code>docs/verify.md</code> and <code>docs/middleware.md</code> have all codes, and complete programs for FastAPI, Express, Go and axum. Try
        the calls in <a href="../docs" target="_blank" rel="noopener">the description of the API</a>.
      </li>
    </ul>`;
  return sectionCard("ask-with-code", "Ask with code", content);
}

/**
 * @param {{ address: string, query: string }} gate what was chosen
 * @param {Session} session
 * @param {Project[]} projects
 */
function gateCard(gate, session, projects) {
  const url = readAddress(gate.address);
  /** @type {[string, string][]} */
  const queries = [
    ["scope=project", "Keys of all projects"],
    ...(session.projectId ? [/** @type {[string, string]} */ ([`project=${session.projectId}`, "Keys of this project"])] : []),
    ...projects.map(({ id, name }) => /** @type {[string, string]} */ ([`project=${id}`, `Keys of the project ${shortName(name)}`])),
    ["", "Any valid key, also an administrator’s"],
  ];
  const fields = html`<div class="field-row gate-fields">
    ${textField("gate-address", {
      label: "Address of Keystead for the proxy",
      value: gate.address,
      isCode: true,
      onInput: (address) => ((gate.address = address), refresh()),
      hint: url
        ? "The address at which the proxy reaches Keystead directly, such as http://127.0.0.1:8080."
        : html`<span class="bad">Write an address such as <code>http://127.0.0.1:8080</code>.</span>`,
    })}
    ${selectField("gate-query", {
      label: "Which keys pass",
      value: gate.query,
      choices: queries,
      onChange: (query) => ((gate.query = query), refresh()),
      hint: gate.query === "" ? "" : "Keys of the organization do not pass: give your clients keys of a project.",
    })}
  </div>`;
  const snippets = gateSnippets({ address: url ?? new URL("http://127.0.0.1:8080"), query: gate.query });
  const content = html`${fields} ${snippetTabs("gate", "Proxies", snippets)}
    <ul class="notes">
      <li>
        Name the proxy in Keystead’s <code>config.toml</code>, as <code>server.trusted_proxies = ["127.0.0.1"]</code> with the address that it connects from. Without
        this, Keystead takes the proxy for every client.
      </li>
      <li>Clients send their key as <code>Authorization: Bearer …</code> or in <code>X-API-Key</code>.</li>
      <li>While Keystead does not answer, nobody passes.</li>
      <li>The app must be reached only through the proxy: let it listen on <code>127.0.0.1</code> or in a private network.</li>
    </ul>`;
  return sectionCard("gate-in-a-proxy", "Put a gate into a proxy", content);
}

/** @param {string} name */
function shortName(name) {
  return name.length > 40 ? `${name.slice(0, 40)}…` : name;
}

/** @param {string} address */
function manageCard(address) {
  const content = html`<p class="about">
      A program that creates or revokes keys needs a key with the role <b>manager</b> or <b>admin</b>, also in <code>KEYSTEAD_KEY</code>.
    </p>
    ${snippetTabs("manage", "Ways to manage keys", manageSnippets(address))}`;
  return sectionCard("manage-with-code", "Create and revoke keys with code", content);
}

/** @param {string} id @param {string} title @param {import("../lib/types.js").View} content */
function sectionCard(id, title, content) {
  return html`<section class="card" aria-labelledby=${id}>
    <div class="card-head"><h2 id=${id} tabindex="-1">${title}</h2></div>
    ${content}
  </section>`;
}

/** @param {string} name @param {string} label @param {Snippet[]} snippets */
function snippetTabs(name, label, snippets) {
  return tabs(name, {
    label,
    tabs: snippets.map(({ id, title, about, files }) => ({
      id,
      title,
      view: () => html`<p class="about">${about}</p>
        ${files.map((file, index) => codeBlock(`${id}-${index}`, file))}`,
    })),
  });
}
