// A list of any length, read page by page. Only the rows on the screen and some around them are in the document, and only
// the pages around them are in memory.

import { refresh } from "../lib/render.js";

/** Rows beyond the screen on either side: a fast wheel does not outrun them. */
const MARGIN_ROWS = 16;
/** The next page is read when so few rows are left. */
const AHEAD_ROWS = 100;
/** Pages kept on either side of the screen. */
const KEPT_PAGES = 3;
/** No browser draws an element that is much higher. */
const HIGHEST_PX = 30_000_000;
/** Empty pages that are read without asking: a filter that few keys match. */
const MOST_EMPTY_PAGES = 20;
/** The pause before a page that could not be read again is tried once more. */
const RETRY_MS = 2_000;

/**
 * @template T
 * @typedef {object} ListPage
 * @property {string | undefined} cursor where it starts
 * @property {number} first the number of its first row
 * @property {number} length
 * @property {T[] | undefined} items undefined while they are not in memory
 * @property {boolean} isLoading
 */

/**
 * @template T
 */
export class VirtualList {
  /** @type {ListPage<T>[]} */ #pages = [];
  /** Where the next page starts; null at the end of the list. @type {string | null | undefined} */ #next = undefined;
  #isReadingNext = false;
  #emptyPages = 0;
  /** @type {Error | undefined} */ error;
  /** @type {{ from: number, to: number }} */ #visible = { from: 0, to: 60 };
  #fetchPage;
  #place;
  #signal;

  /**
   * @param {(cursor: string | undefined) => Promise<{ items: T[], next: string | null }>} fetchPage
   * @param {{ before: (item: T) => string, isBefore: (item: T, cursor: string) => boolean }} place `before`: the cursor of a
   *   page that begins with the item; `isBefore`: whether the item is in front of a page that begins there
   * @param {AbortSignal} signal ends all reads
   */
  constructor(fetchPage, place, signal) {
    this.#place = place;
    this.#fetchPage = fetchPage;
    this.#signal = signal;
    this.#readOn();
  }

  /** How many rows are known. */
  get length() {
    const last = this.#pages.at(-1);
    return last ? last.first + last.length : 0;
  }

  /** Whether all rows are known. */
  get isComplete() {
    return this.#next === null;
  }

  get isLoading() {
    return this.#isReadingNext;
  }

  /** Whether the search stopped because the last pages had no match. */
  get isPaused() {
    return !this.isComplete && this.#emptyPages >= MOST_EMPTY_PAGES;
  }

  /** Searches on after a pause, or tries again after an error. */
  goOn() {
    this.#emptyPages = 0;
    this.error = undefined;
    this.#readOn();
  }

  /** How many rows of this height a browser can show. @param {number} rowHeight */
  static mostRows(rowHeight) {
    return Math.floor(HIGHEST_PX / rowHeight);
  }

  /**
   * The rows to draw: undefined where one is still read, null where one is gone since.
   * @returns {{ from: number, rows: (T | undefined | null)[] }}
   */
  rows() {
    const from = Math.min(this.#visible.from, this.length);
    const to = Math.min(this.#visible.to, this.length);
    const rows = [];
    let index = this.#pageAt(from);
    for (let row = from; row < to; row++) {
      while ((this.#pages[index]?.first ?? 0) + (this.#pages[index]?.length ?? 0) <= row) index++;
      const page = /** @type {ListPage<T>} */ (this.#pages[index]);
      rows.push(page.items ? (page.items[row - page.first] ?? null) : undefined);
    }
    return { from, rows };
  }

  /**
   * The rows on the screen have changed.
   * @param {number} first
   * @param {number} last
   */
  show(first, last) {
    // In steps, so that most movements change nothing.
    const from = Math.max(0, Math.floor((first - MARGIN_ROWS) / 8) * 8);
    const to = Math.ceil((last + MARGIN_ROWS) / 8) * 8;
    if (from === this.#visible.from && to === this.#visible.to) return;
    this.#visible = { from, to };
    this.#keepPagesAround();
    if (to + AHEAD_ROWS > this.length) this.#readOn();
    refresh();
  }

  /** Puts a changed item in the place of the old one. @param {(item: T) => T | undefined} change undefined: as it is */
  update(change) {
    for (const page of this.#pages) page.items = page.items?.map((item) => change(item) ?? item);
    refresh();
  }

  /** The page with this row. @param {number} row */
  #pageAt(row) {
    let [low, high] = [0, this.#pages.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (/** @type {ListPage<T>} */ (this.#pages[middle]).first <= row) low = middle;
      else high = middle - 1;
    }
    return Math.max(0, low);
  }

  #keepPagesAround() {
    const [first, last] = [this.#pageAt(this.#visible.from) - KEPT_PAGES, this.#pageAt(this.#visible.to) + KEPT_PAGES];
    for (const [index, page] of this.#pages.entries()) {
      if (index < first || index > last) page.items = undefined;
      else if (!page.items && index >= first + KEPT_PAGES && index <= last - KEPT_PAGES) this.#readAgain(page);
    }
  }

  /** Reads a page that was dropped. Keys that were created or revoked since do not move the rows. @param {ListPage<T>} page */
  async #readAgain(page) {
    if (page.isLoading) return;
    page.isLoading = true;
    try {
      const { items } = await this.#fetchPage(page.cursor);
      const end = this.#pages[this.#pages.indexOf(page) + 1]?.cursor;
      page.items = items.filter((item) => end === undefined || this.#place.isBefore(item, end)).slice(0, page.length);
    } catch {
      // Its rows stay empty until it can be read.
      setTimeout(() => !this.#signal.aborted && this.#keepPagesAround(), RETRY_MS);
    }
    page.isLoading = false;
    refresh();
  }

  /** Reads the next pages, until the screen is full. */
  async #readOn() {
    if (this.#isReadingNext || this.isComplete || this.error) return;
    this.#isReadingNext = true;
    refresh();
    try {
      while (!this.isComplete && !this.isPaused && this.length < this.#visible.to + AHEAD_ROWS) {
        const cursor = this.#next ?? undefined;
        const { items, next } = await this.#fetchPage(cursor);
        this.#next = next;
        this.#emptyPages = items.length > 0 ? 0 : this.#emptyPages + 1;
        const start = cursor ?? (items[0] && this.#place.before(items[0]));
        if (items.length > 0) this.#pages.push({ cursor: start, first: this.length, length: items.length, items, isLoading: false });
        refresh();
      }
    } catch (error) {
      if (!this.#signal.aborted) this.error = /** @type {Error} */ (error);
    }
    this.#isReadingNext = false;
    refresh();
  }
}
