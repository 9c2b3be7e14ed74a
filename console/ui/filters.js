// Parts of the filters above a list.

import { html } from "../vendor/lit-html.js";
import { icon } from "./icons.js";

/** @typedef {import("../lib/types.js").View} View */

/**
 * A field for a search. The key `/` leads to it.
 * @param {{ label: string, value: string, onInput: (value: string) => void }} options
 */
export function searchBox({ label, value, onInput }) {
  return html`<label class="search"
    >${icon("search")}<input
      type="search"
      data-search
      aria-label=${label}
      placeholder=${label}
      .value=${value}
      @input=${(/** @type {InputEvent} */ event) => onInput(/** @type {HTMLInputElement} */ (event.target).value)}
      autocomplete="off"
      spellcheck="false" /><kbd>/</kbd
  ></label>`;
}

/**
 * Filters behind a button, for phones. They stay open until the user closes them.
 * @param {{ isOpen: boolean }} state
 * @param {View} content
 */
export function foldedFilters(state, content) {
  const toggled = (/** @type {Event} */ event) => (state.isOpen = /** @type {HTMLDetailsElement} */ (event.target).open);
  return html`<details class="more-filters" .open=${state.isOpen} @toggle=${toggled}>
    <summary class="button">Filters</summary>
    ${content}
  </details>`;
}
