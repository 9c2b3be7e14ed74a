// Labelled form fields.

import { html, nothing } from "../vendor/lit-html.js";

/** @typedef {import("../lib/types.js").View} View */

let lastId = 0;
/** @type {Map<string, string>} */
const ids = new Map();

/** An id that stays the same for a name. @param {string} name */
function idOf(name) {
  const known = ids.get(name) ?? `field-${++lastId}`;
  ids.set(name, known);
  return known;
}

/**
 * @param {string} name identifies the field on the page
 * @param {{ label: string, hint?: string | View, control: (id: string, hintId: string | typeof nothing) => View, isOptional?: boolean }} field
 */
export function field(name, { label, hint, control, isOptional = false }) {
  const id = idOf(name);
  return html`<div class="field">
    <label for=${id}>${label}${isOptional ? html` <span class="optional">optional</span>` : nothing}</label>
    ${control(id, hint ? `${id}-hint` : nothing)} ${hint ? html`<p class="hint" id="${id}-hint">${hint}</p>` : nothing}
  </div>`;
}

/**
 * A line of text.
 * @param {string} name
 * @param {{ label: string, value: string, onInput: (value: string) => void, hint?: string | View, isOptional?: boolean,
 *   type?: string, placeholder?: string, hasFocus?: boolean, maxLength?: number, isCode?: boolean, inputMode?: string }} options
 */
export function textField(name, options) {
  const { value, onInput, type = "text", placeholder = "", hasFocus = false, maxLength, isCode = false, inputMode } = options;
  return field(name, {
    ...options,
    control: (id, hintId) =>
      html`<input
        id=${id}
        class=${isCode ? "code" : ""}
        type=${type}
        inputmode=${inputMode ?? nothing}
        .value=${value}
        placeholder=${placeholder}
        maxlength=${maxLength ?? nothing}
        aria-describedby=${hintId}
        autocomplete="off"
        autocapitalize="off"
        spellcheck="false"
        data-1p-ignore
        ?data-focus=${hasFocus}
        @input=${(/** @type {InputEvent} */ event) => onInput(/** @type {HTMLInputElement} */ (event.target).value)}
      />`,
  });
}

/**
 * Several lines of text.
 * @param {string} name
 * @param {{ label: string, value: string, onInput: (value: string) => void, hint?: string | View, isOptional?: boolean,
 *   rows?: number, isCode?: boolean, placeholder?: string }} options
 */
export function textArea(name, options) {
  const { value, onInput, rows = 2, isCode = false, placeholder = "" } = options;
  return field(name, {
    ...options,
    control: (id, hintId) =>
      html`<textarea
        id=${id}
        class=${isCode ? "code" : ""}
        rows=${rows}
        .value=${value}
        placeholder=${placeholder}
        aria-describedby=${hintId}
        autocapitalize="off"
        spellcheck="false"
        @input=${(/** @type {InputEvent} */ event) => onInput(/** @type {HTMLTextAreaElement} */ (event.target).value)}
      ></textarea>`,
  });
}

/**
 * One of several values.
 * @param {string} name
 * @param {{ label: string, value: string, choices: [string, string][], onChange: (value: string) => void,
 *   hint?: string | View, isOptional?: boolean }} options `choices`: value and text
 */
export function selectField(name, options) {
  const { value, choices, onChange } = options;
  return field(name, {
    ...options,
    control: (id, hintId) => select({ id, hintId, value, choices, onChange }),
  });
}

/**
 * @param {{ id?: string, hintId?: string | typeof nothing, label?: string, value: string, choices: [string, string][],
 *   onChange: (value: string) => void }} options `label`: where no label stands beside it
 */
export function select({ id, hintId = nothing, label, value, choices, onChange }) {
  const changed = (/** @type {Event} */ event) => onChange(/** @type {HTMLSelectElement} */ (event.target).value);
  return html`<select id=${id ?? nothing} aria-label=${label ?? nothing} aria-describedby=${hintId} @change=${changed}>
    ${choices.map(([choice, text]) => html`<option value=${choice} ?selected=${choice === value} .selected=${choice === value}>${text}</option>`)}
  </select>`;
}

/**
 * @param {{ label: string | View, isChecked: boolean, onChange: (isChecked: boolean) => void, isDisabled?: boolean }} options
 */
export function checkbox({ label, isChecked, onChange, isDisabled = false }) {
  const changed = (/** @type {Event} */ event) => onChange(/** @type {HTMLInputElement} */ (event.target).checked);
  return html`<label class="checkbox"
    ><input type="checkbox" .checked=${isChecked} ?disabled=${isDisabled} @change=${changed} /><span>${label}</span></label
  >`;
}
