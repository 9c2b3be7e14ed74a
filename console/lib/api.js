// Requests to this server's public API, which is beside the console: `../v2/…`.

import { learnFrom } from "./clock.js";
import { markReachable, waitUntilReachable } from "./connection.js";

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

/** No answer came. A change may have been made or not. */
export class Unanswered extends Error {
  constructor() {
    super("The server did not answer, so it is not known whether the change was made.");
  }
}

/**
 * The address of a path of the API, also where a proxy serves everything below a path of its own.
 * @param {string} path such as `v2/organization`
 * @param {Query} [query] without the undefined and empty ones
 */
export function address(path, query = {}) {
  const url = new URL(`../${path}`, document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") url.searchParams.set(name, String(value));
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
    return (await this.#json(await this.download(path, query, signal))).data;
  }

  /**
   * Reads what is not JSON, with the same patience.
   * @param {string} path
   * @param {Query} [query]
   * @param {AbortSignal} [signal]
   */
  async download(path, query, signal) {
    for (;;) {
      try {
        return await this.#send(path, { query, signal });
      } catch (error) {
        if (!(error instanceof Unanswered)) throw error;
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
    return this.#json(await this.#send(path, { method, body, headers }));
  }

  /** @param {Response} response */
  async #json(response) {
    try {
      return await response.json();
    } catch {
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
    let response;
    try {
      response = await fetch(address(path, query), {
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
      if (signal?.aborted) throw error;
      throw new Unanswered();
    }
    markReachable();
    learnFrom(response);
    if (response.ok) return response;
    const sentence = await refusal(response);
    if (response.status === 401) this.#onInvalid(sentence);
    throw new Refused(response.status, sentence);
  }
}

/**
 * The server's sentence; of a proxy's answer, only its status.
 * @param {Response} response
 */
async function refusal(response) {
  try {
    const { error } = await response.json();
    if (typeof error === "string") return error;
  } catch {
    // The answer does not come from Keystead.
  }
  return `The server answered with status ${response.status}.`;
}
