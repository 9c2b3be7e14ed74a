// Code to copy, in a block that scrolls within itself.

import { html } from "../vendor/lit-html.js";
import { copyButton } from "./parts.js";

/** What remembers that a block was copied. @type {Map<string, object>} */
const owners = new Map();

/** A line that is only a comment, in the languages here. */
const COMMENT = /^\s*(#|\/\/)/;

/**
 * @param {string} id identifies the block on the page
 * @param {{ name: string, code: string }} file `name`: where the code belongs
 */
export function codeBlock(id, { name, code }) {
  const owner = owners.get(id) ?? {};
  owners.set(id, owner);
  const lines = code.trimEnd().split("\n");
  const line = (/** @type {string} */ text, /** @type {number} */ index) => {
    const end = index < lines.length - 1 ? "\n" : "";
    return COMMENT.test(text) ? html`<span class="comment">${text}${end}</span>` : html`${text}${end}`;
  };
  return html`<div class="code-block">
    <div class="code-head"><span class="code-name">${name}</span>${copyButton(owner, `${code.trimEnd()}\n`)}</div>
    <pre class="code-text" tabindex="0" role="group" aria-label="Code: ${name}"><code>${lines.map(line)}</code></pre>
  </div>`;
}
