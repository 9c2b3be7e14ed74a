// Who is signed in. Keys are in this page's memory; where the user ticked the box, also in the tab's session storage.

import { Api } from "./api.js";
import { may } from "./roles.js";

/** @typedef {import("./types.js").ApiKey} ApiKey */
/** @typedef {import("./types.js").Organization} Organization */

const STORAGE = "keystead.keys";

/** The event of the window when a session goes on with another value: what is remembered must be written again. */
export const KEY_REPLACED = "keystead-key-replaced";

/** A key that is signed in. */
export class Session {
  /**
   * @param {string} key
   * @param {boolean} isRemembered
   * @param {(session: Session, sentence: string) => void} onInvalid
   */
  constructor(key, isRemembered, onInvalid) {
    this.key = key;
    this.isRemembered = isRemembered;
    this.onInvalid = onInvalid;
    this.api = this.#makeApi();
  }

  /** The session that the page shows. @type {Session | undefined} */
  static shown;

  /** Whether the user has signed out of it, or the server has ended it. */
  hasEnded = false;
  /** @type {ApiKey} */ apiKey = /** @type {any} */ (undefined);
  /** @type {string} */ organizationId = "";
  /** @type {string | null} */ projectId = null;
  /** The organization, where the role may read it. @type {Organization | undefined} */ organization;

  #makeApi() {
    const { key } = this;
    // A late answer about a value that was replaced ends nothing.
    return new Api(key, (sentence) => key === this.key && this.onInvalid(this, sentence));
  }

  /** Asks the server whose key this is. @param {AbortSignal} [signal] */
  async identify(signal) {
    const { apiKey, organizationId, projectId } = await this.api.get("v2/whoami", {}, signal);
    Object.assign(this, { apiKey, organizationId, projectId });
    if (!projectId && this.may("organization")) this.organization = await this.api.get("v2/organization", {}, signal);
  }

  /**
   * Goes on with another value of the same key.
   * @param {string} key
   */
  replaceKey(key) {
    this.key = key;
    this.api = this.#makeApi();
    window.dispatchEvent(new Event(KEY_REPLACED));
  }

  /** @param {import("./roles.js").Task} task */
  may(task) {
    return may(this.apiKey.role, task) && !(this.projectId && (task === "audit" || task === "administer"));
  }

  get name() {
    return this.organization?.name ?? (this.projectId ? "A project" : "An organization");
  }

  /** Whether this is the key that is signed in. @param {string | null} projectId @param {number} id */
  isOwnKey(projectId, id) {
    return this.projectId === projectId && this.apiKey.id === id;
  }
}

/** All sessions of this tab. */
export class Sessions {
  /** @type {Session[]} */ all = [];

  get active() {
    return Session.shown;
  }

  set active(session) {
    Session.shown = session;
  }

  /** Remembered keys that the server was not asked about yet. They stay remembered. @type {string[]} */ #unchecked = [];

  /** The keys that this tab remembers. @returns {string[]} */
  remembered() {
    try {
      const keys = JSON.parse(sessionStorage.getItem(STORAGE) ?? "[]");
      this.#unchecked = Array.isArray(keys) ? keys.filter((key) => typeof key === "string") : [];
    } catch {
      this.#unchecked = [];
    }
    return this.#unchecked;
  }

  /** The server has said whether a remembered key is valid. @param {string} key */
  markChecked(key) {
    this.#unchecked = this.#unchecked.filter((other) => other !== key);
  }

  /** Adds a session that was identified, in place of an older one of the same key. @param {Session} session */
  add(session) {
    this.markChecked(session.key);
    const isSame = (/** @type {Session} */ other) => other.apiKey.id === session.apiKey.id;
    this.all = [...this.all.filter((other) => !isSame(other)), session];
    this.active = session;
    this.store();
  }

  /** Ends a session. Keys that could not be checked are forgotten with it. @param {Session} session */
  remove(session) {
    this.#unchecked = [];
    session.hasEnded = true;
    this.all = this.all.filter((other) => other !== session);
    if (this.active === session) this.active = this.all.at(-1);
    this.store();
  }

  clear() {
    for (const session of this.all) session.hasEnded = true;
    this.all = [];
    this.#unchecked = [];
    this.active = undefined;
    this.store();
  }

  /** Writes the keys to remember; the others are not written anywhere. */
  store() {
    // The one that is shown comes last: so it is shown again after a reload.
    const all = this.all.toSorted((one, other) => Number(one === this.active) - Number(other === this.active));
    const keys = [...this.#unchecked, ...all.filter((session) => session.isRemembered).map((session) => session.key)];
    if (keys.length > 0) sessionStorage.setItem(STORAGE, JSON.stringify(keys));
    else sessionStorage.removeItem(STORAGE);
  }
}
