// The audit log of the organization.

import { html, nothing } from "../vendor/lit-html.js";
import { count, plural } from "../lib/format.js";
import { GrowingList } from "../lib/growing-list.js";
import { projectNames } from "../lib/project-names.js";
import { refresh } from "../lib/render.js";
import { repeat, resource } from "../lib/resource.js";
import { noteQuery } from "../lib/router.js";
import { eventRow } from "../ui/audit-event.js";
import { openExport } from "../ui/audit-export.js";
import { filterFields, isFiltered, mistake, narrow, noFilter, readFilter, searchQuery, startFold } from "../ui/audit-filters.js";
import { chainHead, readHead } from "../ui/chain-head.js";
import { icon } from "../ui/icons.js";
import { empty, failure, pageHead } from "../ui/parts.js";

/** @typedef {import("../lib/types.js").AuditEvent} AuditEvent */
/** @typedef {import("../lib/types.js").Context} Context */

const PAGE = 50;
const TYPING_MS = 350;
const NEWER_MS = 20_000;
/** So far before the end of the rows the next ones are read. */
const AHEAD_PX = 600;
/** So many events are read by scrolling; more by the button. All stay in the document. */
const MOST_BY_SCROLLING = 1_000;

const weekday = new Intl.DateTimeFormat("en", { weekday: "long", year: "numeric", month: "long", day: "numeric" });

/** @param {Context} context @returns {import("../lib/types.js").Page} */
export function auditPage(context) {
  const { session, signal } = context;
  const log = new AuditLog(context);
  const button = html`<button type="button" class="button" @click=${() => openExport(session, log.filter, signal)}>${icon("download")}Export</button>`;
  return {
    title: "Audit log",
    view: () => html`${pageHead("Audit log", { actions: button, about: "Who changed what in this organization, newest first." })}${log.view()}`,
  };
}

/** The log as far as it was read. */
class AuditLog {
  #context;
  #fold;
  #head;
  #projectName;
  /** @type {GrowingList<AuditEvent>} */ #list;
  #reading = new AbortController();
  #typing = 0;
  /** Numbers of the events that are open. @type {Set<number>} */ #open = new Set();

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    const { session, signal } = context;
    this.filter = readFilter(context.query);
    this.#fold = startFold(this.filter);
    this.#head = resource(() => readHead(session, signal));
    this.#projectName = projectNames(session.api, signal);
    this.#list = this.#read();
    repeat(signal, NEWER_MS, this.#head.reload);
    window.addEventListener("scroll", () => this.#readAhead(), { passive: true, signal });
    narrow.addEventListener("change", refresh, { signal });
  }

  #read() {
    this.#reading.abort();
    this.#reading = new AbortController();
    const { session } = this.#context;
    const signal = AbortSignal.any([this.#reading.signal, this.#context.signal]);
    const query = { ...searchQuery(this.filter), limit: PAGE };
    const wrong = mistake(this.filter);
    return new GrowingList(async (/** @type {string | undefined} */ cursor) => {
      if (wrong) throw new Error(wrong);
      const { auditLogs, nextCursor } = await session.api.get("v2/organization/audit-logs", { ...query, cursor }, signal);
      return { items: auditLogs, next: nextCursor };
    }, signal);
  }

  /** Reads on while the end is near. A page without a match waits for the user. */
  #readAhead() {
    const end = document.querySelector("[data-end]");
    if (!end || this.#list.error || this.#list.lastCount === 0 || this.#list.items.length >= MOST_BY_SCROLLING) return;
    if (end.getBoundingClientRect().top < window.innerHeight + AHEAD_PX) this.#list.readOn();
  }

  #reload() {
    noteQuery(this.filter);
    this.#list = this.#read();
    this.#head.reload();
    refresh();
  }

  /** @param {Partial<import("../ui/audit-filters.js").Filter>} change @param {boolean} [isTyped] */
  #set(change, isTyped = false) {
    Object.assign(this.filter, change);
    refresh();
    clearTimeout(this.#typing);
    this.#typing = window.setTimeout(() => !this.#context.signal.aborted && this.#reload(), isTyped ? TYPING_MS : 0);
  }

  #clear() {
    clearTimeout(this.#typing);
    Object.assign(this.filter, noFilter());
    this.#reload();
  }

  /** @param {AuditEvent} event */
  #toggle({ number }) {
    if (!this.#open.delete(number)) this.#open.add(number);
    refresh();
  }

  view() {
    const clear = () => this.#clear();
    return html`<details class="head-details card"><summary>
          How to prove that nothing was changed<span class="muted">${this.#headInShort()}</span>${icon("chevron")}
        </summary>${chainHead(this.#head)}</details>
      ${filterFields(this.filter, this.#fold, (change, isTyped) => this.#set(change, isTyped), clear)}${this.#newer()}${this.#rows(clear)}`;
  }

  #headInShort() {
    const head = this.#head.data;
    return head ? html`Newest event ${head.number}, <code>${head.hash.slice(0, 12)}…</code>` : nothing;
  }

  /** Events that came while the page is open. */
  #newer() {
    const newest = this.#list.items[0];
    const head = this.#head.data;
    if (!head || !newest || isFiltered(this.filter) || head.number <= newest.number) return nothing;
    return html`<p class="audit-newer" role="status"><button type="button" class="button" @click=${() => this.#reload()}>Show newer events</button></p>`;
  }

  /** @param {() => void} clear */
  #rows(clear) {
    const { items, error, isLoading, isComplete } = this.#list;
    if (items.length === 0) {
      if (error) return failure(error, mistake(this.filter) ? undefined : () => this.#list.readOn());
      if (isLoading) return waiting();
      if (!isComplete) return this.#end();
      if (!isFiltered(this.filter)) return empty("Nothing was changed yet.");
      return empty("No event matches these filters.", html`<button type="button" class="button" @click=${clear}>Clear the filters</button>`);
    }
    const rows = { projectName: this.#projectName, isOpen: (/** @type {AuditEvent} */ { number }) => this.#open.has(number), toggle: (/** @type {AuditEvent} */ event) => this.#toggle(event) };
    // The new rows may leave the end of the page in sight.
    requestAnimationFrame(() => !this.#context.signal.aborted && this.#readAhead());
    return html`${days(items).map(
      ({ title, events }) =>
        html`<div class="audit-day">
          <h2>${title}</h2>
          <ol class="events" @keydown=${moveFocus}>${events.map((event) => eventRow(event, rows))}</ol>
        </div>`,
    )}${this.#end()}`;
  }

  #end() {
    const list = this.#list;
    const { items, error, isLoading, isComplete, lastCount } = list;
    if (error) return failure(error, () => list.readOn());
    if (isComplete) return html`<p class="table-end">${plural(items.length, "event")} of this organization${isFiltered(this.filter) ? " with these filters" : ""}</p>`;
    const text = lastCount === 0 && !isLoading ? "The search has found nothing more so far." : `${count(items.length)} events so far`;
    return html`<p class="table-end" data-end>
      <span role="status">${text}</span>
      <button type="button" class="button" aria-busy=${isLoading} @click=${() => list.readOn()}>${lastCount === 0 ? "Search on" : "Show more"}</button>
    </p>`;
  }
}

/** The events by the day of the user. @param {AuditEvent[]} events */
function days(events) {
  /** @type {{ title: string, events: AuditEvent[] }[]} */
  const all = [];
  for (const event of events) {
    const title = weekday.format(new Date(event.at));
    const last = all.at(-1);
    if (last?.title === title) last.events.push(event);
    else all.push({ title, events: [event] });
  }
  return all;
}

function waiting() {
  return html`<div class="events-skeleton skeleton" role="status" aria-label="Loading">
    ${Array.from({ length: 8 }, () => html`<div class="skeleton-line"></div>`)}
  </div>`;
}

/** The arrow keys go from event to event. @param {KeyboardEvent} event */
function moveFocus(event) {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const all = [...document.querySelectorAll(".event-toggle")];
  const row = /** @type {HTMLElement} */ (event.target).closest(".event");
  const here = all.findIndex((button) => row?.contains(button));
  const next = all[here + (event.key === "ArrowDown" ? 1 : -1)];
  if (here < 0 || !(next instanceof HTMLElement)) return;
  event.preventDefault();
  next.focus();
}
