// What a key is and may do, and its current value.

import { html, nothing } from "../vendor/lit-html.js";
import { plural } from "../lib/format.js";
import { keysHref } from "../lib/keys.js";
import { MEANINGS } from "../lib/roles.js";
import { hasLongNumber, metadataText } from "./change-key.js";
import { card, given, roleLabel, when } from "./parts.js";

/** @typedef {import("../lib/types.js").ApiKey} ApiKey */
/** @typedef {import("../lib/types.js").View} View */
/** @typedef {import("./key-target.js").Target} Target */

/** @param {string} [text] */
function none(text = "none") {
  return html`<span class="muted">${text}</span>`;
}

/** @param {Target} target @param {ApiKey} key */
export function factsCard(target, key) {
  const { session, projectId } = target;
  const ofOwner = `${keysHref(projectId)}?owner=${encodeURIComponent(key.owner ?? "")}`;
  const ownerView = session.may("read") ? html`<a href=${ofOwner} title="All keys of this owner">${given(key.owner ?? "")}</a>` : given(key.owner ?? "");
  /** @type {[string, View][]} */
  const facts = [
    ["Number", html`${key.id}`],
    ["Role", html`${roleLabel(key.role)}<br /><span class="muted">${MEANINGS[key.role]}</span>`],
    ["Permissions", key.permissions.length > 0 ? codes(key.permissions) : none()],
    ["Owner", key.owner === null ? none() : ownerView],
    ["Limit", key.rateLimit ? html`${plural(key.rateLimit.limit, "use")} in ${plural(key.rateLimit.windowInSeconds, "second")}` : none("no limit")],
    ["Addresses", key.allowedAddresses ? codes(key.allowedAddresses) : none("any")],
    ["Created", when(key.created_at, { canFocus: true })],
    ["Expires", when(key.expiresAt, { canFocus: true })],
    ["Last used", when(key.lastUsed, { canFocus: true })],
    ["Metadata", metadata(key)],
  ];
  return card("Details", html`<dl class="facts">${facts.map(([name, view]) => html`<dt>${name}</dt><dd>${view}</dd>`)}</dl>`);
}

/** @param {string[]} texts */
function codes(texts) {
  return html`<ul class="key-codes">${texts.map((text) => html`<li><code>${text}</code></li>`)}</ul>`;
}

/** @param {ApiKey} key */
function metadata(key) {
  const text = metadataText(key.metadata);
  if (text === "") return none();
  return html`<pre class="key-metadata" tabindex="0" role="region" aria-label="Metadata"><bdi>${text}</bdi></pre>
    ${hasLongNumber(key.metadata) ? html`<p class="hint">Numbers of more than 15 digits are rounded here.</p>` : nothing}`;
}

/** @param {ApiKey} key that does not rotate @param {boolean} canRotate */
export function valueCard(key, canRotate) {
  const content = html`<dl class="facts">
      <dt>Current value</dt>
      <dd><code>${key.value}</code></dd>
    </dl>
    <p class="hint key-value-hint">Keystead keeps only its hash and its last six characters.${canRotate ? " To get a value that you can read, rotate the key." : ""}</p>`;
  return card("Value", content);
}
