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
  async function reload() {
    try {
      self.data = await read();
      self.error = undefined;
    } catch (error) {
      if (signal.aborted) return;
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
