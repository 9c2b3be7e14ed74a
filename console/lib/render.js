// When the page is drawn. Any code that changed what the page shows calls `refresh`.

/** @type {() => void} */
let draw = () => {};
let isScheduled = false;

/**
 * Sets what draws the page.
 * @param {() => void} drawing
 */
export function setDrawing(drawing) {
  draw = drawing;
}

/** Draws the page soon; several calls before that draw it once. */
export function refresh() {
  if (isScheduled) return;
  isScheduled = true;
  queueMicrotask(() => {
    isScheduled = false;
    draw();
  });
}
