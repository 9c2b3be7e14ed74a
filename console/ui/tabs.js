// Tabs: one of several panels is shown. The arrow keys, Home and End go from tab to tab.

import { html } from "../vendor/lit-html.js";
import { refresh } from "../lib/render.js";

/** @typedef {import("../lib/types.js").View} View */

/** The chosen tab of each list. @type {Map<string, string>} */
const chosen = new Map();

/**
 * @param {string} name identifies the tabs on the page
 * @param {{ label: string, tabs: { id: string, title: string, view: () => View }[] }} options `label`: what the tabs are
 */
export function tabs(name, { label, tabs: all }) {
  const active = all.find(({ id }) => id === chosen.get(name)) ?? all[0];
  if (!active) throw new Error("There are no tabs.");
  const choose = (/** @type {string} */ id) => (chosen.set(name, id), refresh());
  const tab = (/** @type {{ id: string, title: string }} */ { id, title }) =>
    html`<button
      type="button"
      role="tab"
      class="tab"
      id="${name}-tab-${id}"
      aria-selected=${id === active.id ? "true" : "false"}
      aria-controls="${name}-panel"
      tabindex=${id === active.id ? "0" : "-1"}
      @click=${() => choose(id)}
    >
      ${title}
    </button>`;
  const ids = all.map(({ id }) => id);
  return html`<div class="tabs" role="tablist" aria-label=${label} @keydown=${(/** @type {KeyboardEvent} */ event) => move(event, ids, active.id, choose)}>
      ${all.map(tab)}
    </div>
    <div class="tab-panel" role="tabpanel" id="${name}-panel" aria-labelledby="${name}-tab-${active.id}">${active.view()}</div>`;
}

/**
 * @param {KeyboardEvent} event
 * @param {string[]} ids
 * @param {string} active
 * @param {(id: string) => void} choose
 */
function move(event, ids, active, choose) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const at = ids.indexOf(active);
  /** @type {Record<string, number>} */
  const targets = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: ids.length - 1 };
  const target = targets[event.key];
  if (target === undefined) return;
  event.preventDefault();
  const index = (target + ids.length) % ids.length;
  choose(/** @type {string} */ (ids[index]));
  const tab = /** @type {HTMLElement} */ (event.currentTarget).querySelectorAll('[role="tab"]')[index];
  if (tab instanceof HTMLElement) tab.focus();
}
