// Requests to this server's public API, which is beside the console: `../v2/…`.

import { learnFrom } from "./clock.js";
import { markReachable, waitUntilReachable } from "./connection.js";

/** A change without an answer for so long has none. */
const CHANGE_TIMEOUT_MS = 30_000;

/** The server executes each `Idempotency-Key` once. */
const DONE_BEFORE =
  "Your first try was done, but its answer was lost, and the form was changed since. Close the form and look at the result; a lost value can be replaced by a rotation.";
/** The pauses between reads that something between Keystead and this page answers in its place. */
const PAUSES_MS = [0, 1_000, 2_000, 4_000, 8_000];

/** @typedef {Record<string, string | number | undefined>} Query */
/** @typedef {{ method?: string, query?: Query, body?: unknown, signal?: AbortSignal, headers?: Record<string, string> }} Options */

/** The server refused a request. The message is the server's sentence. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} sentence
   */
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === "object" && value !== null;
}

/** No answer came. A change may have been made or not. */
export class Unanswered extends Error {
  /** @param {number} [status] of something that answered in the server's place; 0 if nothing did */
  constructor(status = 0) {
    super("The server did not answer, so it is not known whether the change was made.");
    this.status = status;
  }
}

/** Keys have this form: addresses are in logs and in the browser's history, so no key gets into one. */
const FULL_KEY = /[a-z0-9_]_[0-9a-f]{32}/i;

/** Whether a text contains what looks like a full key. @param {string} text */
export function hasFullKey(text) {
  return FULL_KEY.test(text);
}

/**
 * The address of a path of the API, also where a proxy serves everything below a path of its own.
 * @param {string} path such as `v2/organization`
 * @param {Query} [query] without the undefined and empty ones
 */
export function address(path, query = {}) {
  const url = new URL(`../${path}`, document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === "") continue;
    if (hasFullKey(String(value))) throw new Error("This looks like a full key, which must not be in an address. Search for the name of the key.");
    url.searchParams.set(name, String(value));
  }
  return url.href;
}

/** The API for one key. */
export class Api {
  #key;
  #onInvalid;

  /**
   * @param {string} key
   * @param {(sentence: string) => void} [onInvalid] called where the server does not accept the key any more
   */
  constructor(key, onInvalid = () => {}) {
    this.#key = key;
    this.#onInvalid = onInvalid;
  }

  /**
   * Reads. Where the server does not answer, waits until it does and asks again.
   * @param {string} path
   * @param {Query} [query]
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>} `data` of the answer
   */
  async get(path, query, signal) {
    const response = await this.download(path, query, signal);
    try {
      const { success, data } = await response.json();
      if (success === true && isObject(data)) return data;
    } catch (error) {
      if (signal?.aborted) throw error;
    }
    throw new Error("The answer does not come from Keystead. Something between it and this page has answered.");
  }

  /**
   * Reads what is not JSON, with the same patience.
   * @param {string} path
   * @param {Query} [query]
   * @param {AbortSignal} [signal]
   */
  async download(path, query, signal) {
    for (let tries = 0; ; tries++) {
      try {
        return await this.#send(path, { query, signal });
      } catch (error) {
        if (!(error instanceof Unanswered)) throw error;
        const pauseMs = error.status ? PAUSES_MS[tries] : 0;
        if (pauseMs === undefined) throw new Refused(error.status, `Something between Keystead and this page has answered with status ${error.status}.`);
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
        signal?.throwIfAborted();
        await waitUntilReachable(signal);
      }
    }
  }

  /**
   * Changes something, once.
   * @param {"POST" | "PUT" | "DELETE"} method
   * @param {string} path
   * @param {unknown} [body]
   * @param {string} [idempotencyKey] the same for each try: the server then does it once
   * @returns {Promise<any>} the whole answer
   */
  async change(method, path, body, idempotencyKey) {
    const headers = idempotencyKey ? { "Idempotency-Key": idempotencyKey } : undefined;
    try {
      const response = await this.#send(path, { method, body, headers, signal: AbortSignal.timeout(CHANGE_TIMEOUT_MS) });
      return await response.json();
    } catch (error) {
      if (error instanceof Refused) throw error;
      // The page shows it, and looks when the server is back.
      waitUntilReachable();
      throw new Unanswered();
    }
  }

  /**
   * @param {string} path
   * @param {Options} options
   */
  async #send(path, { method = "GET", query, body, signal, headers = {} }) {
    /** @type {Record<string, string>} */
    const all = { "X-API-Key": this.#key, ...headers };
    if (body !== undefined) all["Content-Type"] = "application/json";
    const url = address(path, query);
    let response;
    try {
      response = await fetch(url, {
        method,
        headers: all,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal,
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        referrerPolicy: "no-referrer",
      });
    } catch (error) {
      if (signal?.aborted && method === "GET") throw error;
      throw new Unanswered();
    }
    learnFrom(response);
    if (response.ok) {
      markReachable();
      return response;
    }
    const sentence = await refusal(response);
    // A proxy before a server that is stopped or starting.
    if (sentence === undefined && [502, 503, 504].includes(response.status)) throw new Unanswered(response.status);
    markReachable();
    if (sentence !== undefined && response.status === 422) throw new Refused(422, DONE_BEFORE);
    if (sentence !== undefined && response.status === 401) this.#onInvalid(sentence);
    throw new Refused(response.status, sentence ?? `Something between Keystead and this page has answered with status ${response.status}.`);
  }
}

/**
 * The server's sentence; undefined where the answer does not come from Keystead.
 * @param {Response} response
 * @returns {Promise<string | undefined>}
 */
async function refusal(response) {
  try {
    const { success, error } = await response.json();
    return success === false && typeof error === "string" ? error : undefined;
  } catch {
    return undefined;
  }
}
