// How often a key was used in the last 30 days.

import { html, nothing } from "../vendor/lit-html.js";
import { now } from "../lib/clock.js";
import { count } from "../lib/format.js";
import { outcomeName, totals } from "../lib/outcomes.js";
import { repeat, resource } from "../lib/resource.js";
import { usageChart } from "./chart.js";
import { card, loaded } from "./parts.js";

/** @typedef {import("../lib/types.js").UsageStep} UsageStep */
/** @typedef {{ steps: UsageStep[], from: Date, to: Date }} Use */

const DAY_MS = 86_400_000;
const DAYS = 30;
const EVERY_MS = 60_000;

/**
 * Reads the use of a key, again and again.
 * @param {AbortSignal} signal
 * @param {(path: string, query: import("../lib/api.js").Query) => Promise<any>} read of something below the key
 */
export function keyUse(signal, read) {
  const use = resource(async () => {
    const to = new Date(now());
    const from = new Date(Math.floor(to.getTime() / DAY_MS - DAYS + 1) * DAY_MS);
    const { usage } = await read("/usage", { from: from.toISOString() });
    return /** @type {Use} */ ({ steps: usage, from, to });
  });
  repeat(signal, EVERY_MS, use.reload);
  return use;
}

/** @param {import("../lib/resource.js").Resource<Use>} use */
export function useCard(use) {
  const waiting = html`<div class="skeleton use-skeleton" role="status" aria-label="Loading"><div class="skeleton-line"></div></div>`;
  return card("Use", loaded(use, view, waiting), { about: "The last 30 days, by day in UTC." });
}

/** @param {Use} use */
function view({ steps, from, to }) {
  const { valid, refused, allRefused } = totals(steps);
  const row = (/** @type {string} */ name, /** @type {number} */ uses) => html`<div><dt>${name}</dt><dd>${count(uses)}</dd></div>`;
  const byOutcome = html`<h3>By outcome</h3>
    <dl class="use-totals">${row("Valid", valid)} ${refused.map(([code, uses]) => row(outcomeName(code), uses))}</dl>`;
  return html`${usageChart(steps, { from, to, label: "Uses of the key" })} ${allRefused > 0 ? byOutcome : nothing}`;
}
