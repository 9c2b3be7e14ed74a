// The table of the keys of an organization or a project: filters, columns, and rows that scroll without end.

import { repeat } from "../vendor/directives/repeat.js";
import { html, nothing } from "../vendor/lit-html.js";
import { count, plural, rateLimit, tail } from "../lib/format.js";
import { keyHref, keysHref, keysPath } from "../lib/keys.js";
import { refresh } from "../lib/render.js";
import { resource } from "../lib/resource.js";
import { possibleRoles } from "../lib/roles.js";
import { go, noteQuery } from "../lib/router.js";
import { checkbox, select } from "./fields.js";
import { foldedFilters, searchBox } from "./filters.js";
import { icon } from "./icons.js";
import { menu } from "./menu.js";
import { empty, failure, given, roleLabel, stateLabels, when } from "./parts.js";
import { VirtualList } from "./virtual-list.js";

/** @typedef {import("../lib/types.js").ApiKey} ApiKey */
/** @typedef {import("../lib/types.js").Project} Project */
/** @typedef {import("../lib/types.js").View} View */
/** @typedef {{ title: string, cell: (key: ApiKey) => View | string, width: string, isNumber?: boolean }} Column */

const PAGE = 100;
const MOST_PROJECTS = 1000;
const LONGEST_NAME = 40;
const ROW_PX = 40;
const CARD_PX = 64;
const GAP_PX = 12;
const PADDING_PX = 32;
const NAME_WIDTH = "minmax(150px, 1.4fr)";
const TYPING_MS = 250;
const COLUMNS_STORAGE = "keystead.columns";
const narrow = window.matchMedia("(max-width: 720px)");

/** @type {Record<string, Column>} */
const COLUMNS = {
  id: { title: "Number", cell: (key) => html`${key.id}`, width: "72px", isNumber: true },
  state: { title: "State", cell: stateLabels, width: "156px" },
  role: { title: "Role", cell: (key) => roleLabel(key.role), width: "72px" },
  owner: { title: "Owner", cell: (key) => (key.owner === null ? dash() : given(key.owner)), width: "minmax(100px, 1fr)" },
  permissions: { title: "Permissions", cell: (key) => key.permissions.join(" ") || dash(), width: "minmax(140px, 1fr)" },
  value: { title: "Value", cell: (key) => html`<code>${tail(key.value)}</code>`, width: "72px" },
  lastUsed: { title: "Last used", cell: (key) => when(key.lastUsed), width: "106px" },
  expiresAt: { title: "Expires", cell: (key) => when(key.expiresAt), width: "106px" },
  created_at: { title: "Created", cell: (key) => when(key.created_at), width: "106px" },
  rateLimit: { title: "Limit", cell: (key) => (key.rateLimit ? rateLimit(key.rateLimit) : dash()), width: "200px" },
  allowedAddresses: { title: "Addresses", cell: (key) => key.allowedAddresses?.join(" ") ?? dash(), width: "minmax(140px, 1fr)" },
};
const FIRST_COLUMNS = ["state", "role", "owner", "lastUsed", "expiresAt", "value"];

function dash() {
  return html`<span class="muted" aria-label="none">–</span>`;
}

function storedColumns() {
  try {
    const names = JSON.parse(localStorage.getItem(COLUMNS_STORAGE) ?? "null");
    if (Array.isArray(names)) return names.filter((name) => Object.hasOwn(COLUMNS, name));
  } catch {
    // A browser without storage still shows the table.
  }
  return FIRST_COLUMNS;
}

let columns = storedColumns();

/** @param {string} name @param {boolean} isShown */
function showColumn(name, isShown) {
  columns = Object.keys(COLUMNS).filter((column) => (column === name ? isShown : columns.includes(column)));
  try {
    localStorage.setItem(COLUMNS_STORAGE, JSON.stringify(columns));
  } catch {
    // The choice then lasts until the page is left.
  }
  refresh();
}

/** @type {[string, string][]} */
const STATES = [["", "Any state"], ["active", "Active"], ["expiring", "Expiring"], ["expired", "Expired"], ["deactivated", "Deactivated"], ["rotating", "Rotating"]];
/** @type {[string, string][]} */
const USES = [["", "Any use"], ["30", "Unused 30 days"], ["90", "Unused 90 days"], ["365", "Unused 1 year"]];
const FILTERS = ["name", "state", "role", "permission", "owner", "unusedForDays"];

/** A cursor is the number below which a page begins; the newest key comes first. */
const BY_NUMBER = {
  before: (/** @type {ApiKey} */ key) => String(key.id + 1),
  isBefore: (/** @type {ApiKey} */ key, /** @type {string} */ cursor) => key.id >= Number(cursor),
};

/** A table of keys. It reads at once. */
export class KeysTable {
  /** @type {Record<string, string>} */ #filter = {};
  /** @type {VirtualList<ApiKey>} */ #list;
  /** @type {AbortController} */ #reading = new AbortController();
  #typing = 0;
  #fold = { isOpen: false };
  #context;
  #projectId;
  #emptyView;
  /** The projects to choose from; only where the key reaches more than one list. @type {import("../lib/resource.js").Resource<Project[]> | undefined} */ #projects;

  /**
   * @param {import("../lib/types.js").Context} context
   * @param {string | null} projectId
   * @param {() => View} emptyView what stands for a list without keys
   */
  constructor(context, projectId, emptyView) {
    this.#context = context;
    this.#projectId = projectId;
    this.#emptyView = emptyView;
    for (const name of FILTERS) this.#filter[name] = context.query.get(name) ?? "";
    this.#fold.isOpen = this.#isFiltered;
    this.#list = this.#read();
    const { session, signal } = context;
    if (!session.projectId) this.#projects = resource(async () => (await session.api.get("v2/projects", { limit: MOST_PROJECTS }, signal)).projects);
    const measure = () => this.#measure();
    window.addEventListener("scroll", measure, { passive: true, signal: context.signal });
    window.addEventListener("resize", measure, { signal: context.signal });
    narrow.addEventListener("change", refresh, { signal: context.signal });
  }

  #read() {
    this.#reading.abort();
    this.#reading = new AbortController();
    const signal = AbortSignal.any([this.#reading.signal, this.#context.signal]);
    const query = { ...this.#filter, limit: PAGE };
    const { api } = this.#context.session;
    return new VirtualList(async (/** @type {string | undefined} */ cursor) => {
      const { apiKeys, nextCursor } = await api.get(keysPath(this.#projectId), { ...query, cursor }, signal);
      return { items: apiKeys, next: nextCursor };
    }, BY_NUMBER, signal);
  }

  /** Reads the list again. */
  reload() {
    this.#list = this.#read();
    refresh();
  }

  /** @param {string} name @param {string} value @param {number} [waitMs] */
  #setFilter(name, value, waitMs = 0) {
    this.#filter[name] = value;
    refresh();
    clearTimeout(this.#typing);
    this.#typing = window.setTimeout(() => {
      if (this.#context.signal.aborted) return;
      noteQuery(this.#filter);
      this.reload();
    }, waitMs);
  }

  get #isFiltered() {
    return Object.values(this.#filter).some((value) => value !== "");
  }

  #clearFilters() {
    for (const name of FILTERS) this.#filter[name] = "";
    noteQuery({});
    this.reload();
  }

  /** Tells the list which rows are on the screen. */
  #measure() {
    const body = document.querySelector("[data-rows]");
    if (!body) return;
    const above = -body.getBoundingClientRect().top;
    const height = narrow.matches ? CARD_PX : ROW_PX;
    this.#list.show(Math.floor(above / height), Math.ceil((above + window.innerHeight) / height));
  }

  view() {
    return html`${this.#filters()}${this.#list.length > 0 ? this.#table() : this.#noRows()}${this.#end()}`;
  }

  #filters() {
    const onInput = (/** @type {string} */ name) => this.#setFilter("name", name, TYPING_MS);
    return html`<search class="filters">
      ${searchBox({ label: "Search by name", value: this.#filter.name ?? "", onInput })}
      ${this.#lists()}
      ${narrow.matches ? foldedFilters(this.#fold, html`<div>${this.#moreFilters()}</div>`) : this.#moreFilters()}
      ${this.#isFiltered ? html`<button type="button" class="button quiet" @click=${() => this.#clearFilters()}>Clear</button>` : nothing}
      ${narrow.matches ? nothing : columnMenu()}
    </search>`;
  }

  /** Leads to the keys of the organization or of a project, with the same filters. */
  #lists() {
    const projects = this.#projects?.data ?? [];
    if (projects.length === 0) return nothing;
    const short = (/** @type {string} */ name) => (name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name);
    /** @type {[string, string][]} */
    const choices = [["", "Organization"], ...projects.map(({ id, name }) => /** @type {[string, string]} */ ([id, short(name)]))];
    const onChange = (/** @type {string} */ id) => {
      const filters = new URLSearchParams(Object.entries(this.#filter).filter(([, value]) => value !== "")).toString();
      go(`${keysHref(id || null)}${filters ? `?${filters}` : ""}`);
    };
    return select({ label: "Keys of", value: this.#projectId ?? "", choices, onChange });
  }

  #moreFilters() {
    const typed = (/** @type {string} */ name) => (/** @type {InputEvent} */ event) =>
      this.#setFilter(name, /** @type {HTMLInputElement} */ (event.target).value, TYPING_MS);
    const chosen = (/** @type {string} */ name) => (/** @type {string} */ value) => this.#setFilter(name, value);
    /** @type {[string, string][]} */
    const roles = [["", "Any role"], ...possibleRoles(this.#projectId).map((role) => /** @type {[string, string]} */ ([role, role]))];
    const text = (/** @type {string} */ name, /** @type {string} */ label) =>
      html`<input type="text" aria-label=${label} placeholder=${label} .value=${this.#filter[name] ?? ""} @input=${typed(name)} autocomplete="off" spellcheck="false" />`;
    return html`
      ${select({ label: "State", value: this.#filter.state ?? "", choices: STATES, onChange: chosen("state") })}
      ${select({ label: "Role", value: this.#filter.role ?? "", choices: roles, onChange: chosen("role") })}
      ${select({ label: "Use", value: this.#filter.unusedForDays ?? "", choices: USES, onChange: chosen("unusedForDays") })}
      ${text("owner", "Owner")} ${text("permission", "Permission")}`;
  }

  #table() {
    const isNarrow = narrow.matches;
    const height = isNarrow ? CARD_PX : ROW_PX;
    const shown = columns.map((name) => /** @type {Column} */ (COLUMNS[name]));
    const total = Math.min(this.#list.length, VirtualList.mostRows(height));
    const { from, rows } = this.#list.rows();
    const template = `grid-template-columns: ${NAME_WIDTH} ${shown.map((column) => column.width).join(" ")}`;
    const width = [NAME_WIDTH, ...shown.map((column) => column.width)].reduce((sum, next) => sum + Number(/\d+/.exec(next)?.[0]) + GAP_PX, PADDING_PX - GAP_PX);
    const head = html`<div class="row head" role="row" aria-rowindex="1" .style=${`${template}; min-width: ${width}px`}>
      <span role="columnheader">Name</span>
      ${shown.map((column) => html`<span role="columnheader" class=${column.isNumber ? "number" : ""}>${column.title}</span>`)}
    </div>`;
    const row = (/** @type {ApiKey | undefined | null} */ key, /** @type {number} */ index) => {
      const style = `${isNarrow ? "" : template}; transform: translateY(${(from + index) * height}px)`;
      return this.#row(key, from + index, style, isNarrow ? undefined : shown);
    };
    return html`<div class="table ${isNarrow ? "cards" : ""}" role="table" aria-label="Keys" aria-rowcount=${this.#list.isComplete ? this.#list.length + 1 : -1} @keydown=${moveFocus}>
      ${isNarrow ? nothing : html`<div role="rowgroup">${head}</div>`}
      <div role="rowgroup" class="rows" data-rows .style=${`height: ${total * height}px; ${isNarrow ? "" : `min-width: ${width}px`}`}>${repeat(rows, (_, index) => from + index, row)}</div>
    </div>`;
  }

  /**
   * @param {ApiKey | undefined | null} key
   * @param {number} number
   * @param {string} style
   * @param {Column[] | undefined} shown undefined: as a card
   */
  #row(key, number, style, shown) {
    if (!key) {
      const text = key === null ? html`<span class="muted">Revoked meanwhile</span>` : html`<span class="skeleton-line"></span>`;
      return html`<div class="row" role="row" aria-rowindex=${number + 2} .style=${style}><span role="cell">${text}</span></div>`;
    }
    const href = keyHref(this.#projectId, key.id);
    const name = html`<a class="row-link" href=${href} title=${key.name}><bdi>${key.name}</bdi></a>`;
    const open = (/** @type {MouseEvent} */ event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      if (!target.closest("a") && !getSelection()?.toString()) go(href);
    };
    const cells = shown
      ? shown.map((column) => html`<span role="cell" class=${column.isNumber ? "number" : ""}>${column.cell(key)}</span>`)
      : html`<span role="cell" class="card-state">${stateLabels(key)}</span>
          <span role="cell" class="card-about muted">${key.owner === null ? `role ${key.role}` : given(key.owner)} · used ${when(key.lastUsed)}</span>`;
    return html`<div class="row" role="row" aria-rowindex=${number + 2} .style=${style} @click=${open}>
      <span role="cell" class="name">${name}</span>${cells}
    </div>`;
  }

  #noRows() {
    const { error, isLoading, isPaused } = this.#list;
    if (error) return failure(error, () => this.#list.goOn());
    if (isPaused) return nothing;
    if (isLoading) return html`<div class="skeleton rows-skeleton" role="status" aria-label="Loading">${Array.from({ length: 8 }, () => html`<div class="skeleton-line"></div>`)}</div>`;
    if (!this.#isFiltered) return this.#emptyView();
    const others = this.#projectId === null && this.#projects?.data?.length ? " Projects have keys of their own: choose one above." : "";
    return empty(`No key matches these filters.${others}`, html`<button type="button" class="button" @click=${() => this.#clearFilters()}>Clear the filters</button>`);
  }

  #end() {
    const list = this.#list;
    const most = VirtualList.mostRows(narrow.matches ? CARD_PX : ROW_PX);
    if (list.length === 0 && !list.isPaused) return nothing;
    if (list.error) return failure(list.error, () => list.goOn());
    if (list.length > most) return html`<p class="table-end">The table ends after ${count(most)} keys. Filter it to see older ones.</p>`;
    if (list.isPaused) {
      return html`<p class="table-end">No match among thousands of further keys. <button type="button" class="button" @click=${() => list.goOn()}>Search on</button></p>`;
    }
    if (list.isComplete) return html`<p class="table-end">${plural(list.length, "key")}${this.#isFiltered ? " with these filters" : ""}</p>`;
    return html`<p class="table-end" role="status">${count(list.length)} keys so far; scroll on for more.</p>`;
  }
}

function columnMenu() {
  const content = html`<fieldset class="menu-choices">
    <legend>Columns</legend>
    ${Object.entries(COLUMNS).map(([name, { title }]) =>
      checkbox({ label: title, isChecked: columns.includes(name), onChange: (isShown) => showColumn(name, isShown) }),
    )}
  </fieldset>`;
  return menu({ id: "columns", button: html`${icon("columns")}<span>Columns</span>`, content, kind: "button" });
}

/** The arrow keys go from row to row. @param {KeyboardEvent} event */
function moveFocus(event) {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const row = /** @type {HTMLElement} */ (event.target).closest(".row");
  const next = event.key === "ArrowDown" ? row?.nextElementSibling : row?.previousElementSibling;
  const link = next?.querySelector(".row-link");
  if (!(link instanceof HTMLElement)) return;
  event.preventDefault();
  link.focus();
}
