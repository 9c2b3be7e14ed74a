// How many keys are in which state: a bar, and figures that lead to the lists.

import { html, nothing, svg } from "../vendor/lit-html.js";
import { count, plural } from "../lib/format.js";

/** @typedef {import("../lib/types.js").Overview} Overview */

const WIDTH = 1000;
/** No part is too small to be seen. */
const LEAST = 6;
const GAP = 3;

/**
 * The parts of the bar. Each key is in one of them.
 * @param {Overview["apiKeys"]} keys
 * @returns {[string, string, number][]} class, words and number
 */
function partsOf(keys) {
  return [
    ["active", "active and not expiring within 30 days", keys.active - keys.expiring],
    ["expiring", "active and expiring within 30 days", keys.expiring],
    ["expired", "expired", keys.expired],
    ["deactivated", "deactivated", keys.deactivated],
  ];
}

/** @param {Overview["apiKeys"]} keys */
function bar(keys) {
  const parts = partsOf(keys).filter(([, , number]) => number > 0);
  const words = parts.map(([, text, number]) => `${count(number)} ${text}`).join(", ");
  const room = WIDTH - GAP * (parts.length - 1) - LEAST * parts.length;
  let x = 0;
  const rects = parts.map(([name, , number]) => {
    const width = LEAST + (room * number) / Math.max(1, keys.total);
    const rect = svg`<rect class="part-${name}" x=${x} y="0" width=${width} height="12" />`;
    x += width + GAP;
    return rect;
  });
  return html`<svg class="key-bar" viewBox="0 0 ${WIDTH} 12" preserveAspectRatio="none" role="img" aria-label="${plural(keys.total, "key")}: ${words}">
    ${rects}
  </svg>`;
}

/** @param {Overview} overview */
export function keyCounts({ apiKeys: keys, projects }) {
  return html`<p class="key-total"><b>${count(keys.total)}</b> ${keys.total === 1 ? "key" : "keys"}${
      projects > 0 ? html` in the organization and its <a href="#/projects">${plural(projects, "project")}</a>` : nothing
    }</p>
    ${bar(keys)}
    <ul class="figures">
      ${figure("Active", keys.active, "state=active", { dot: "active", about: "expiring included" })}
      ${figure("Expiring", keys.expiring, "state=expiring", { dot: "expiring", about: "within 30 days" })}
      ${figure("Expired", keys.expired, "state=expired", { dot: "expired" })}
      ${figure("Deactivated", keys.deactivated, "state=deactivated", { dot: "deactivated" })}
      ${figure("Rotating", keys.rotating, "state=rotating", { about: "in a grace period" })}
      ${figure("Not used", keys.unused, "state=active&unusedForDays=90", { about: "active, for 90 days" })}
    </ul>
    ${projects > 0
      ? html`<p class="hint">
          The figures count all keys. The lists behind them have the organization’s own keys only; the keys of a project are <a href="#/projects">with the project</a>.
        </p>`
      : nothing}`;
}

/**
 * @param {string} title
 * @param {number} number
 * @param {string} query of the list
 * @param {{ dot?: string, about?: string }} [more]
 */
function figure(title, number, query, { dot = "", about = "" } = {}) {
  return html`<li>
    <a class="figure" href="#/keys?${query}">
      <span class="figure-name">${dot ? html`<span class="dot part-${dot}"></span>` : nothing}${title}</span>
      <span class="figure-number">${count(number)}</span>
      ${about ? html`<span class="figure-about">${about}</span>` : nothing}
    </a>
  </li>`;
}
