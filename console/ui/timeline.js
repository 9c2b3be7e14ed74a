// What happened to a key: its audit events, the newest first.

import { html, nothing } from "../vendor/lit-html.js";
import { refresh } from "../lib/render.js";
import { isEnd } from "../lib/resource.js";
import { changeView, eventTitle } from "./events.js";
import { card, empty, failure, given, skeleton, when } from "./parts.js";

/** @typedef {import("../lib/types.js").AuditEvent} AuditEvent */

const PAGE = 20;
/** The API's most for one page. */
const MOST = 1_000;

/** The events of one resource. */
export class Timeline {
  /** @type {AuditEvent[] | undefined} */ #events;
  /** @type {string | null} */ #next = null;
  /** @type {Error | undefined} */ #error;
  #isReading = false;
  /** The numbers of the events that are open. @type {Set<number>} */ #open = new Set();
  #get;
  #resource;

  /**
   * @param {(path: string, query: import("../lib/api.js").Query) => Promise<any>} get
   * @param {string} resource such as `api_key/12`
   */
  constructor(get, resource) {
    this.#get = get;
    this.#resource = resource;
    this.reload();
  }

  /** Reads the newest events again; as many as are shown. */
  reload() {
    return this.#read(undefined);
  }

  /** @param {string | undefined} cursor */
  async #read(cursor) {
    this.#isReading = true;
    refresh();
    try {
      const limit = cursor ? PAGE : Math.min(MOST, Math.max(PAGE, this.#events?.length ?? 0));
      const { auditLogs, nextCursor } = await this.#get("v2/organization/audit-logs", { resource: this.#resource, limit, cursor });
      this.#events = cursor ? [...(this.#events ?? []), ...auditLogs] : auditLogs;
      this.#next = nextCursor;
      this.#error = undefined;
    } catch (error) {
      if (!isEnd(error)) this.#error = /** @type {Error} */ (error);
    }
    this.#isReading = false;
    refresh();
  }

  view() {
    return card("Life", this.#content(), { about: "Every change of the key, from the audit log." });
  }

  #content() {
    if (!this.#events) return this.#error ? failure(this.#error, () => this.reload()) : skeleton(5);
    if (this.#events.length === 0) return empty("The audit log has no event of this key.");
    return html`<ol class="timeline">${this.#events.map((event) => this.#item(event))}</ol>
      ${this.#error ? failure(this.#error, () => this.#older()) : this.#more()}`;
  }

  #more() {
    if (this.#next === null) return nothing;
    return html`<button type="button" class="button" aria-busy=${this.#isReading} @click=${() => this.#older()}>Show older events</button>`;
  }

  #older() {
    if (!this.#isReading && this.#next !== null) this.#read(this.#next);
  }

  /** @param {AuditEvent} event */
  #item(event) {
    const { number, change, actorName, clientAddress } = event;
    const isOpen = this.#open.has(number);
    // The element may come to show another event: what is open is not the element's own business.
    const toggled = (/** @type {Event} */ toggle) => {
      const shouldBeOpen = /** @type {HTMLDetailsElement} */ (toggle.target).open;
      if (shouldBeOpen === this.#open.has(number)) return;
      if (shouldBeOpen) this.#open.add(number);
      else this.#open.delete(number);
      refresh();
    };
    return html`<li class="timeline-item ${event.action.replace(/^.*\./, "")}">
      <p class="timeline-title"><b>${given(actorName)}</b> ${eventTitle(event)}</p>
      ${typeof change.reason === "string" ? html`<p class="timeline-reason">“${given(change.reason)}”</p>` : nothing}
      <p class="timeline-about">
        ${when(event.at, { canFocus: true })}${clientAddress ? html` · from <code>${clientAddress}</code>` : nothing} · event ${number}
      </p>
      <details .open=${isOpen} @toggle=${toggled}><summary>What changed</summary>${isOpen ? changeView(event) : nothing}</details>
    </li>`;
  }
}
