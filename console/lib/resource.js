// Something that a page reads from the server.

import { refresh } from "./render.js";

/**
 * @template T
 * @typedef {object} Resource
 * @property {T | undefined} data what was read last
 * @property {Error | undefined} error why the last read failed
 * @property {() => Promise<void>} reload reads again; `data` stays until the answer
 */

/** Whether a read was ended on purpose: its answer is not needed any more. @param {unknown} error */
export function isEnd(error) {
  return error instanceof DOMException && error.name === "AbortError";
}

/**
 * Reads at once, and draws the page when the answer is here.
 * @template T
 * @param {() => Promise<T>} read ends with the page, by the page's signal
 * @returns {Resource<T>}
 */
export function resource(read) {
  /** @type {Resource<T>} */
  const self = { data: undefined, error: undefined, reload };
  let newest = 0;
  async function reload() {
    const own = ++newest;
    try {
      const data = await read();
      // A newer read may have asked for something else.
      if (own !== newest) return;
      self.data = data;
      self.error = undefined;
    } catch (error) {
      if (isEnd(error) || own !== newest) return;
      self.error = /** @type {Error} */ (error);
    }
    refresh();
  }
  reload();
  return self;
}

/**
 * Repeats a task while the page is open and visible. It does not begin again before it has ended.
 * @param {AbortSignal} signal
 * @param {number} everyMs
 * @param {() => Promise<unknown> | void} task
 */
export function repeat(signal, everyMs, task) {
  let isBusy = false;
  const timer = setInterval(async () => {
    if (isBusy || document.visibilityState !== "visible") return;
    isBusy = true;
    try {
      await task();
    } finally {
      isBusy = false;
    }
  }, everyMs);
  signal.addEventListener("abort", () => clearInterval(timer));
}
