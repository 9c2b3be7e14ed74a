// Which page the address names: `#/keys/12?state=active`. What follows `#` never reaches a server.

import { hasFullKey } from "./api.js";

/** @typedef {{ params: Record<string, string>, query: URLSearchParams, path: string }} Location */

/** Where the address leads. @returns {Location} */
export function location() {
  const [path = "", query = ""] = window.location.hash.replace(/^#/, "").split(/\?(.*)/s);
  return { path: path || "/", query: new URLSearchParams(query), params: {} };
}

/**
 * The values of a pattern such as `/keys/:id`; undefined where the path does not match.
 * @param {string} pattern
 * @param {string} path
 */
export function match(pattern, path) {
  const [expected, actual] = [pattern.split("/"), path.split("/")];
  if (expected.length !== actual.length) return undefined;
  /** @type {Record<string, string>} */
  const params = {};
  for (const [index, part] of expected.entries()) {
    const value = actual[index] ?? "";
    if (part.startsWith(":")) params[part.slice(1)] = value;
    else if (part !== value) return undefined;
  }
  return params;
}

/** Goes to a page; without what follows the question mark, if it has a full key. @param {string} hash such as `#/keys` */
export function go(hash) {
  window.location.hash = hasFullKey(hash) ? hash.replace(/\?.*/s, "") : hash;
}

/**
 * Notes filters in the address, so that a reload and the way back find them. The page stays.
 * @param {Record<string, string>} query
 */
export function noteQuery(query) {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && !hasFullKey(value))).toString();
  const { path } = location();
  history.replaceState(null, "", `#${path}${text ? `?${text}` : ""}`);
}
