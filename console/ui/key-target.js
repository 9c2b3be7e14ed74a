// The key that a page is about: where it is in the API, and how its changes are sent.

import { closeDialog } from "./dialog.js";

/** @typedef {import("../lib/types.js").ApiKey} ApiKey */
/** @typedef {import("../lib/sessions.js").Session} Session */

/**
 * @typedef {object} Target
 * @property {Session} session
 * @property {string | null} projectId
 * @property {number} id
 * @property {string} path of the key in the API
 * @property {() => void} pause ends the page's reads: one with a value that a change ends would end the session
 * @property {() => void} resume reads everything again
 */

/** The outgoing values that this tab was signed in with, in memory only. @type {WeakMap<Session, string>} */
const outgoing = new WeakMap();

/** Whether the user is signed in with this key. @param {Target} target */
export function isOwn({ session, projectId, id }) {
  return session.isOwnKey(projectId, id);
}

/** Whether the user is signed in with this value of the key. @param {Target} target @param {string | null} masked */
export function isOwnValue(target, masked) {
  return masked !== null && isOwn(target) && target.session.key.slice(-6) === masked.slice(-6);
}

/**
 * Changes the key.
 * @param {Target} target
 * @param {"POST" | "PUT" | "DELETE"} method
 * @param {string} below what follows the key's path, such as `/rotate`
 * @param {Record<string, unknown>} body
 * @param {{ idempotencyKey?: string, onAnswer?: (answer: any) => void }} [more] `onAnswer` runs before the page reads again
 */
export async function changeKey(target, method, below, body, { idempotencyKey, onAnswer } = {}) {
  target.pause();
  try {
    const answer = await target.session.api.change(method, `${target.path}${below}`, body, idempotencyKey);
    onAnswer?.(answer);
    return answer;
  } finally {
    target.resume();
  }
}

/**
 * The session goes on with the new value of its key.
 * @param {Session} session @param {string} value @param {boolean} hasGrace whether the outgoing value still works
 */
export function goOnWith(session, value, hasGrace) {
  if (hasGrace) outgoing.set(session, session.key);
  else outgoing.delete(session);
  session.replaceKey(value);
}

/** Whether this tab still knows the outgoing value of the session's key. @param {Target} target @param {ApiKey} key */
export function knowsOutgoing({ session }, key) {
  return outgoing.get(session)?.slice(-6) === key.value.slice(-6);
}

/** The session goes back to the outgoing value. @param {Session} session */
export function goBack(session) {
  const value = outgoing.get(session);
  if (value) session.replaceKey(value);
  outgoing.delete(session);
}

/** The session has ended by the user's own change. @param {Session} session @param {string} sentence */
export function endSession(session, sentence) {
  session.onInvalid(session, sentence);
}

/** Closes the dialog after a change. Where its button is gone, the focus goes to the title of the page. */
export function closeAfterChange() {
  closeDialog();
  setTimeout(() => {
    const title = document.querySelector("main h1");
    if (document.activeElement === document.body && title instanceof HTMLElement) title.focus({ preventScroll: true });
  }, 100);
}
