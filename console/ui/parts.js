// Small parts that many pages use.

import { html, nothing } from "../vendor/lit-html.js";
import { now } from "../lib/clock.js";
import { ago, exact } from "../lib/format.js";
import { isRotating, stateOf } from "../lib/keys.js";
import { refresh } from "../lib/render.js";
import { icon } from "./icons.js";
import { toast } from "./toast.js";

/** @typedef {import("../lib/types.js").ApiKey} ApiKey */
/** @typedef {import("../lib/types.js").View} View */

const STATE_NAMES = { active: "Active", expiring: "Expiring", expired: "Expired", deactivated: "Deactivated" };

/** The states of a key as labels. @param {ApiKey} key */
export function stateLabels(key) {
  const state = stateOf(key, now());
  return html`<span class="labels"
    ><span class="label ${state}">${STATE_NAMES[state]}</span>${isRotating(key, now())
      ? html`<span class="label rotating">Rotating</span>`
      : nothing}</span
  >`;
}

/** @param {string} role */
export function roleLabel(role) {
  return html`<span class="role">${role}</span>`;
}

/**
 * A relative time; the exact one on hover and focus.
 * @param {string | null} time RFC 3339
 * @param {{ none?: string, canFocus?: boolean }} [options] `none`: what stands for null
 */
export function when(time, { none = "never", canFocus = false } = {}) {
  if (time === null) return html`<span class="muted">${none}</span>`;
  return html`<time class="when" datetime=${time} tabindex=${canFocus ? "0" : nothing} data-exact=${exact(time)}
    >${ago(time, now())}</time
  >`;
}

/** Text that someone else wrote: its direction does not spill over. @param {string} text */
export function given(text) {
  return html`<bdi>${text}</bdi>`;
}

/** @type {WeakSet<object>} */
const copied = new WeakSet();
const COPIED_MS = 2_000;

/**
 * A button that copies a text. It says so for two seconds.
 * @param {object} owner remembers that it was copied; one for each button
 * @param {string} text
 * @param {string} [label]
 */
export function copyButton(owner, text, label = "Copy") {
  const isCopied = copied.has(owner);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Over plain HTTP, browsers have no clipboard for pages.
      return toast("The browser does not permit this here. Select the text and copy it.");
    }
    copied.add(owner);
    refresh();
    setTimeout(() => (copied.delete(owner), refresh()), COPIED_MS);
  };
  return html`<button type="button" class="button copy" @click=${copy}>
    ${icon(isCopied ? "check" : "copy")}<span aria-live="polite">${isCopied ? "Copied" : label}</span>
  </button>`;
}

/**
 * What a page shows of something it reads: the thing itself, a sentence about the error, or room for it while it loads.
 * @template T
 * @param {import("../lib/resource.js").Resource<T>} resource
 * @param {(data: T) => View} view
 * @param {View} [waiting]
 */
export function loaded(resource, view, waiting = skeleton(4)) {
  if (resource.data !== undefined) return view(resource.data);
  if (resource.error) return failure(resource.error, resource.reload);
  return waiting;
}

/** Room for lines that are not here yet. @param {number} lines */
export function skeleton(lines) {
  return html`<div class="skeleton" role="status" aria-label="Loading">
    ${Array.from({ length: lines }, () => html`<div class="skeleton-line"></div>`)}
  </div>`;
}

/**
 * An error in the place of what could not be read.
 * @param {Error} error
 * @param {() => unknown} [retry]
 */
export function failure(error, retry) {
  return html`<div class="empty" role="alert">
    ${icon("warning")}
    <p>${error.message}</p>
    ${retry ? html`<button type="button" class="button" @click=${retry}>Try again</button>` : nothing}
  </div>`;
}

/**
 * Nothing to show, and what to do about it.
 * @param {string} sentence
 * @param {View} [action]
 */
export function empty(sentence, action = nothing) {
  return html`<div class="empty"><p>${sentence}</p>${action}</div>`;
}

/**
 * The head of a page.
 * @param {View | string} title
 * @param {{ actions?: View, above?: View, about?: View | string }} [more]
 */
export function pageHead(title, { actions = nothing, above = nothing, about = nothing } = {}) {
  return html`<header class="page-head">
    <div>
      ${above}
      <h1 tabindex="-1">${title}</h1>
      ${about === nothing ? nothing : html`<p class="about">${about}</p>`}
    </div>
    <div class="actions">${actions}</div>
  </header>`;
}

/**
 * A part of a page with a heading.
 * @param {string} title
 * @param {View} content
 * @param {{ actions?: View, about?: string, kind?: string }} [more]
 */
export function card(title, content, { actions = nothing, about = "", kind = "" } = {}) {
  return html`<section class="card ${kind}" aria-label=${title}>
    <div class="card-head">
      <h2>${title}</h2>
      ${actions}
    </div>
    ${about ? html`<p class="about">${about}</p>` : nothing} ${content}
  </section>`;
}

/** A link back to what the page belongs to. @param {string} href @param {string} text */
export function crumb(href, text) {
  return html`<nav class="crumb" aria-label="Breadcrumb"><a href=${href}><bdi>${text}</bdi></a>${icon("right")}</nav>`;
}
