// Short messages about what was done. Screen readers read them.

import { html, render } from "../vendor/lit-html.js";
import { icon } from "./icons.js";

const SHOWN_MS = 5_000;

/** @type {{ text: string }[]} */
let toasts = [];

/** @param {string} text */
export function toast(text) {
  const message = { text };
  toasts = [...toasts.slice(-2), message];
  draw();
  setTimeout(() => {
    toasts = toasts.filter((other) => other !== message);
    draw();
  }, SHOWN_MS);
}

function draw() {
  const container = /** @type {HTMLElement} */ (document.getElementById("toasts"));
  render(toasts.map(({ text }) => html`<div class="toast">${icon("check")}<bdi>${text}</bdi></div>`), container);
}
