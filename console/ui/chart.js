// A chart of the uses of each day: valid ones below, refused ones on top of them, with the numbers in a table.

import { html, nothing, svg } from "../vendor/lit-html.js";
import { count, day, plural, shortCount } from "../lib/format.js";
import { outcomeName, totals } from "../lib/outcomes.js";
import { refresh } from "../lib/render.js";
import { empty } from "./parts.js";

/** @typedef {import("../lib/types.js").UsageStep} UsageStep */
/** @typedef {{ from: string, valid: number, refused: Record<string, number>, allRefused: number }} Day */

const DAY_MS = 86_400_000;
const HEIGHT = 160;
/** The part of a day's room that its bar takes. */
const BAR = 0.72;
/** No use is too small to be seen. */
const LEAST_PX = 2;
const GAP_PX = 1;
const MOST_DATES = 6;

/** The day that is pointed at or has the focus, for each chart. @type {Map<string, number>} */
const chosen = new Map();
/** The number of each chart, for ids on the page. @type {Map<string, number>} */
const numbers = new Map();

/**
 * @param {UsageStep[]} steps days or hours; those without uses are left out
 * @param {{ from: Date, to: Date, label: string }} options the days in UTC from `from` to `to`, both included; `label`: what is counted
 */
export function usageChart(steps, { from, to, label }) {
  const days = byDay(steps, from, to);
  const sums = totals(days);
  if (sums.valid + sums.allRefused === 0) return empty(`No uses from ${day(iso(from))} to ${day(iso(to))}.`);
  const number = numbers.get(label) ?? numbers.size + 1;
  numbers.set(label, number);
  return html`<figure class="chart" aria-label=${label}>
    <ul class="chart-legend">
      <li><span class="chart-swatch valid"></span>Valid <b>${count(sums.valid)}</b></li>
      <li><span class="chart-swatch refused"></span>Refused <b>${count(sums.allRefused)}</b></li>
    </ul>
    ${plot(days, label, number)} ${numbersTable(days, sums, label)}
  </figure>`;
}

/** @param {Date} date */
function iso(date) {
  return date.toISOString();
}

/** @param {number} time */
function startOfDay(time) {
  return Math.floor(time / DAY_MS) * DAY_MS;
}

/**
 * All days, also those without uses.
 * @param {UsageStep[]} steps @param {Date} from @param {Date} to
 * @returns {Day[]}
 */
function byDay(steps, from, to) {
  const first = startOfDay(from.getTime());
  const length = Math.max(1, Math.round((startOfDay(to.getTime()) - first) / DAY_MS) + 1);
  const days = Array.from({ length }, (_, index) => {
    return /** @type {Day} */ ({ from: iso(new Date(first + index * DAY_MS)), valid: 0, refused: {}, allRefused: 0 });
  });
  for (const step of steps) {
    const at = days[(startOfDay(Date.parse(step.from)) - first) / DAY_MS];
    if (!at) continue;
    at.valid += step.valid;
    for (const [code, uses] of Object.entries(step.refused)) {
      at.refused[code] = (at.refused[code] ?? 0) + uses;
      at.allRefused += uses;
    }
  }
  return days;
}

/** Two or three round values for the grid; the last is the top. @param {number} most */
function gridValues(most) {
  const size = 10 ** Math.floor(Math.log10(Math.max(1, most / 2)));
  const step = [1, 2, 5, 10].map((factor) => factor * size).find((value) => value * 3 >= most) ?? most;
  return Array.from({ length: Math.max(1, Math.ceil(most / step)) }, (_, index) => (index + 1) * step);
}

/** @param {Day[]} days @param {string} label @param {number} number */
function plot(days, label, number) {
  const grid = gridValues(Math.max(...days.map((one) => one.valid + one.allRefused)));
  const top = grid.at(-1) ?? 1;
  const at = chosen.get(label);
  const choose = (/** @type {number | undefined} */ index) => {
    if (index === undefined) chosen.delete(label);
    else chosen.set(label, Math.min(days.length - 1, Math.max(0, index)));
    refresh();
  };
  const point = (/** @type {PointerEvent} */ event) => {
    const box = /** @type {HTMLElement} */ (event.currentTarget).getBoundingClientRect();
    const index = Math.floor(((event.clientX - box.left) / box.width) * days.length);
    if (index !== chosen.get(label)) choose(index);
  };
  const shown = at === undefined ? undefined : days[at];
  const last = /** @type {Day} */ (days.at(-1));
  return html`<div class="chart-area">
      <div class="chart-values" aria-hidden="true">
        ${[0, ...grid].map((value) => html`<span .style=${`bottom: ${(100 * value) / top}%`}>${shortCount(value)}</span>`)}
      </div>
      <div
        class="chart-plot"
        role="slider"
        tabindex="0"
        aria-label="${label}: day"
        aria-valuemin="1"
        aria-valuemax=${days.length}
        aria-valuenow=${(at ?? days.length - 1) + 1}
        aria-valuetext=${sentence(shown ?? last)}
        @pointermove=${point}
        @pointerdown=${point}
        @pointerleave=${(/** @type {PointerEvent} */ event) => event.pointerType === "mouse" && choose(undefined)}
        @focus=${(/** @type {Event} */ event) => /** @type {HTMLElement} */ (event.target).matches(":focus-visible") && choose(days.length - 1)}
        @blur=${() => choose(undefined)}
        @keydown=${(/** @type {KeyboardEvent} */ event) => move(event, at ?? days.length - 1, days.length, choose)}
      >
        ${bars(days, grid, number, at)} ${at !== undefined && shown ? tip(shown, at, days.length) : nothing}
      </div>
      ${dates(days)}
    </div>`;
}

/**
 * The arrow keys go from day to day.
 * @param {KeyboardEvent} event @param {number} at @param {number} length @param {(index: number) => void} choose
 */
function move(event, at, length, choose) {
  /** @type {Record<string, number>} */
  const targets = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageUp: at + 7, PageDown: at - 7, Home: 0, End: length - 1 };
  const target = targets[event.key];
  if (target === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  choose(target);
}

/** @param {Day[]} days @param {number[]} grid @param {number} number @param {number | undefined} at */
function bars(days, grid, number, at) {
  const top = grid.at(-1) ?? 1;
  const slot = 100 / days.length;
  const height = (/** @type {number} */ uses) => (uses === 0 ? 0 : Math.max(LEAST_PX, (HEIGHT * uses) / top));
  const bar = (/** @type {Day} */ one, /** @type {number} */ index) => {
    const [x, width] = [`${(index + (1 - BAR) / 2) * slot}%`, `${BAR * slot}%`];
    const [valid, refused] = [height(one.valid), height(one.allRefused)];
    const foot = HEIGHT - valid - (valid > 0 && refused > GAP_PX + 1 ? GAP_PX : 0);
    const head = Math.max(0, HEIGHT - valid - refused);
    return svg`<g>
      ${index === at ? svg`<rect class="chart-chosen" x="${index * slot}%" width="${slot}%" y="0" height=${HEIGHT} />` : nothing}
      ${valid > 0 ? svg`<rect class="chart-valid" x=${x} width=${width} y=${HEIGHT - valid} height=${valid} />` : nothing}
      ${refused > 0 ? svg`<rect class="chart-refused" fill="url(#chart-stripes-${number})" x=${x} width=${width} y=${head} height=${foot - head} />` : nothing}
    </g>`;
  };
  const line = (/** @type {number} */ value) => {
    const y = Math.round(HEIGHT - (HEIGHT * value) / top);
    return svg`<line class=${value === 0 ? "chart-base" : "chart-grid"} x1="0" x2="100%" y1=${y} y2=${y} />`;
  };
  return html`<svg class="chart-svg" width="100%" height=${HEIGHT} aria-hidden="true" focusable="false">
    <defs>
      <pattern id="chart-stripes-${number}" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <rect class="chart-stripe-ground" width="5" height="5" /><rect class="chart-stripe" width="2.5" height="5" />
      </pattern>
    </defs>
    ${grid.map(line)} ${days.map(bar)} ${line(0)}
  </svg>`;
}

/** The numbers of the day that is pointed at. @param {Day} one @param {number} index @param {number} length */
function tip(one, index, length) {
  // At the left edge it goes to the right, at the right edge to the left.
  const part = (index + 0.5) / length;
  return html`<div class="chart-tip" aria-hidden="true" .style=${`left: ${100 * part}%; translate: ${-100 * part}% 0`}>
    <b>${fullDay(one.from)}</b>
    <span>Valid</span><span class="number">${count(one.valid)}</span>
    ${sorted(one.refused).map(([code, uses]) => html`<span>${outcomeName(code)}</span><span class="number">${count(uses)}</span>`)}
  </div>`;
}

/** `Sat, Feb 6` @param {string} time */
function fullDay(time) {
  return new Date(time).toLocaleDateString("en", { weekday: "short", month: "short", day: "numeric", timeZone: "UTC" });
}

/** @param {Record<string, number>} refused */
function sorted(refused) {
  return Object.entries(refused).sort((one, other) => other[1] - one[1]);
}

/** @param {Day} one */
function sentence(one) {
  const refused = sorted(one.refused).map(([code, uses]) => `, ${count(uses)} refused: ${outcomeName(code)}`);
  return `${fullDay(one.from)}: ${plural(one.valid, "valid use")}${refused.join("")}`;
}

/** Some dates below the bars; always the last one. @param {Day[]} days */
function dates(days) {
  const every = Math.ceil(days.length / MOST_DATES);
  const date = (/** @type {Day} */ one, /** @type {number} */ index) => {
    const toLast = days.length - 1 - index;
    if (toLast % every !== 0) return nothing;
    // A narrow chart shows every second one.
    const kind = `${toLast === 0 && days.length > 1 ? "last" : ""} ${(toLast / every) % 2 === 1 ? "less" : ""}`;
    return html`<span .style=${`left: ${(100 * (index + 0.5)) / days.length}%`} class=${kind}>${day(one.from)}</span>`;
  };
  return html`<div class="chart-dates" aria-hidden="true">${days.map(date)}</div>`;
}

/** @param {Day[]} days @param {ReturnType<typeof totals>} sums @param {string} label */
function numbersTable(days, sums, label) {
  const codes = sums.refused.map(([code]) => code);
  const row = (/** @type {Day} */ one) =>
    html`<tr>
      <th scope="row">${day(one.from)}</th>
      <td class="number">${count(one.valid)}</td>
      ${codes.map((code) => html`<td class="number">${count(one.refused[code] ?? 0)}</td>`)}
    </tr>`;
  return html`<details class="chart-numbers">
    <summary>The numbers as a table</summary>
    <div class="chart-scroll" tabindex="0" role="region" aria-label="Numbers: ${label}">
      <table class="plain-table">
        <caption class="visually-hidden">${label}, by day in UTC. Days without uses are left out.</caption>
        <thead>
          <tr>
            <th scope="col">Day (UTC)</th>
            <th scope="col" class="number">Valid</th>
            ${codes.map((code) => html`<th scope="col" class="number">${outcomeName(code)}</th>`)}
          </tr>
        </thead>
        <tbody>${days.filter((one) => one.valid + one.allRefused > 0).reverse().map(row)}</tbody>
      </table>
    </div>
  </details>`;
}
