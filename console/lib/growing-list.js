// A list that is read page by page, as the user asks for more. It keeps all that it has read.

import { refresh } from "./render.js";

/**
 * @template T
 */
export class GrowingList {
  /** @type {T[]} */ items = [];
  /** @type {Error | undefined} */ error;
  isLoading = false;
  /** How many items came last: a search may answer with none and yet go on. */
  lastCount = 0;
  /** Where the next page starts; null at the end. @type {string | null | undefined} */ #next = undefined;
  #fetchPage;
  #signal;

  /**
   * Reads the first page at once.
   * @param {(cursor: string | undefined) => Promise<{ items: T[], next: string | null }>} fetchPage
   * @param {AbortSignal} signal ends all reads
   */
  constructor(fetchPage, signal) {
    this.#fetchPage = fetchPage;
    this.#signal = signal;
    this.readOn();
  }

  /** Whether there is nothing more to read. */
  get isComplete() {
    return this.#next === null;
  }

  /** Reads the next page, if there is one. */
  async readOn() {
    if (this.isLoading || this.isComplete) return;
    this.isLoading = true;
    this.error = undefined;
    refresh();
    try {
      const { items, next } = await this.#fetchPage(this.#next ?? undefined);
      this.items = [...this.items, ...items];
      this.lastCount = items.length;
      this.#next = next;
    } catch (error) {
      if (this.#signal.aborted) return;
      this.error = /** @type {Error} */ (error);
    }
    this.isLoading = false;
    refresh();
  }
}
