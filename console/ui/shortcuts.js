// The list of keys on the keyboard.

import { html } from "../vendor/lit-html.js";
import { openDialog } from "./dialog.js";

const SHORTCUTS = [
  ["/", "Search on this page"],
  ["n", "Create a key or a project"],
  ["↑ ↓", "Go through the rows of a table"],
  ["Enter", "Open what has the focus"],
  ["Esc", "Close a dialog or a menu"],
  ["?", "Show this list"],
];

/** Shows the list. */
export function openShortcuts() {
  const view = () =>
    html`<div class="dialog-body">
      <dl class="shortcuts">${SHORTCUTS.map(([key, what]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
    </div>`;
  openDialog({ title: "Keyboard", view });
}
