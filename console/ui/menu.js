// A button that opens a small menu. A click elsewhere and Escape close it.

import { html, nothing } from "../vendor/lit-html.js";

/** @typedef {import("../lib/types.js").View} View */

/**
 * @param {{ id: string, button: View, label?: string, content: View, kind?: string }} menu
 */
export function menu({ id, button, label, content, kind = "" }) {
  const place = (/** @type {ToggleEvent} */ event) => {
    const popover = /** @type {HTMLElement} */ (event.target);
    const opener = popover.previousElementSibling;
    if (event.newState !== "open" || !opener) return;
    const at = opener.getBoundingClientRect();
    const isLeft = at.left + at.width / 2 < window.innerWidth / 2;
    popover.style.top = `${at.bottom + 4}px`;
    popover.style.left = isLeft ? `${at.left}px` : "auto";
    popover.style.right = isLeft ? "auto" : `${window.innerWidth - at.right}px`;
    popover.style.minWidth = `${at.width}px`;
  };
  return html`<button type="button" class="menu-button ${kind}" popovertarget=${id} aria-label=${label ?? nothing} aria-haspopup="true">
      ${button}</button
    ><div id=${id} class="menu" popover @beforetoggle=${place}>${content}</div>`;
}

/** Closes an open menu. @param {string} id */
export function closeMenu(id) {
  const popover = document.getElementById(id);
  if (popover?.matches(":popover-open")) popover.hidePopover();
}
