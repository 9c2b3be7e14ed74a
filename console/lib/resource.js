// Something that a page reads from the server.

import { refresh } from "./render.js";

/**
 * @template T
 * @typedef {object} Resource
 * @property {T | undefined} data what was read last
 * @property {Error | undefined} error why the last read failed
 * @property {() => Promise<void>} reload reads again; `data` stays until the answer
 */

/**
 * Reads at once, and draws the page when the answer is here.
 * @template T
 * @param {AbortSignal} signal ends the read when the user leaves the page
 * @param {() => Promise<T>} read
 * @returns {Resource<T>}
 */
export function resource(signal, read) {
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
      if (signal.aborted || own !== newest) return;
      self.error = /** @type {Error} */ (error);
    }
    refresh();
  }
  reload();
  return self;
}

/**
 * Repeats a task while the page is open and visible.
 * @param {AbortSignal} signal
 * @param {number} everyMs
 * @param {() => Promise<unknown> | void} task
 */
export function repeat(signal, everyMs, task) {
  const timer = setInterval(() => {
    if (document.visibilityState === "visible") task();
  }, everyMs);
  signal.addEventListener("abort", () => clearInterval(timer));
}
