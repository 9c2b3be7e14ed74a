// Icons, drawn in the colour of the text beside them. They mean nothing to screen readers.

import { html, svg } from "../vendor/lit-html.js";

/** Paths in a square of 24. */
const PATHS = {
  overview: svg`<path d="M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z"/>`,
  key: svg`<circle cx="8" cy="9" r="4.5"/><path d="m11.3 12.3 8.2 8.2M16 17l2.5-2.5"/>`,
  project: svg`<path d="M3 7a2 2 0 0 1 2-2h4l2 3h8a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2z"/>`,
  audit: svg`<path d="M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01"/>`,
  organization: svg`<path d="M4 21V5l8-2v18M12 9h8v12M2 21h20M7.5 8h1M7.5 12h1M7.5 16h1M15.5 13h1M15.5 17h1"/>`,
  connect: svg`<path d="m8 8-4 4 4 4M16 8l4 4-4 4M13.5 5l-3 14"/>`,
  signOut: svg`<path d="M10 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h4M15 8l4 4-4 4M19 12H9"/>`,
  plus: svg`<path d="M12 5v14M5 12h14"/>`,
  search: svg`<circle cx="11" cy="11" r="6.5"/><path d="m16 16 4.5 4.5"/>`,
  copy: svg`<rect x="8" y="8" width="12" height="12" rx="2"/><path d="M16 8V6a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v8a2 2 0 0 0 2 2h2"/>`,
  check: svg`<path d="m5 13 4.5 4.5L19 7"/>`,
  close: svg`<path d="M6 6l12 12M18 6 6 18"/>`,
  chevron: svg`<path d="m7 10 5 5 5-5"/>`,
  right: svg`<path d="m10 7 5 5-5 5"/>`,
  menu: svg`<path d="M4 7h16M4 12h16M4 17h16"/>`,
  columns: svg`<rect x="4" y="5" width="16" height="14" rx="2"/><path d="M10 5v14M15 5v14"/>`,
  warning: svg`<path d="M12 4 2.5 20h19zM12 10v4.5M12 17.3v.01"/>`,
  rotate: svg`<path d="M20 11a8 8 0 0 0-14-4.5L4 9M4 4v5h5M4 13a8 8 0 0 0 14 4.5l2-2.5M20 20v-5h-5"/>`,
  power: svg`<path d="M12 3v9M6.5 6.5a8 8 0 1 0 11 0"/>`,
  trash: svg`<path d="M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5"/>`,
  edit: svg`<path d="M4 20h4L19 9l-4-4L4 16zM13 7l4 4"/>`,
  download: svg`<path d="M12 4v11M7 11l5 5 5-5M4 20h16"/>`,
  clock: svg`<circle cx="12" cy="12" r="8.5"/><path d="M12 7v5l3.5 2"/>`,
};

/** @typedef {keyof typeof PATHS} IconName */

/** @param {IconName} name */
export function icon(name) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${PATHS[name]}</svg>`;
}

/** The sign of Keystead. */
export function logo() {
  return html`<svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <rect width="32" height="32" rx="8" class="logo-ground" />
    <g class="logo-key"><circle cx="12" cy="13" r="4.6" /><path d="M15.4 16.4 24 25M20.6 21.6l2.6-2.6" /></g>
  </svg>`;
}
