// A key in the grace period of its rotation: who still uses the old value, and what can be done.

import { html, nothing } from "../vendor/lit-html.js";
import { now } from "../lib/clock.js";
import { ago, exact, tail } from "../lib/format.js";
import { icon } from "./icons.js";
import { openCancel, openComplete } from "./key-actions.js";
import { isOwn } from "./key-target.js";
import { card, when } from "./parts.js";

/** @typedef {import("../lib/types.js").ApiKey} ApiKey */
/** @typedef {import("./key-target.js").Target} Target */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * @param {Target} target
 * @param {ApiKey} key that rotates
 * @param {boolean} mayManage
 */
export function rotationPanel(target, key, mayManage) {
  const { rotation, rotatesAt } = key;
  const isSafe = rotation?.isSafeToComplete ?? false;
  const live = html`<span class="live"><span class="live-dot" aria-hidden="true"></span>Updates every 2 seconds</span>`;
  const buttons = html`<div class="actions">
    <button type="button" class="button ${isSafe ? "primary" : ""}" @click=${() => openComplete(target, key)}>${icon("check")}Complete</button>
    <button type="button" class="button danger-quiet" @click=${() => openCancel(target, key)}>${icon("close")}Cancel the rotation</button>
  </div>`;
  const content = html`<dl class="rotation-values">
      ${value("Outgoing value", key.value, rotation?.valueLastUsed ?? null, "outgoing")}
      ${value("New value", key.shadowValue ?? "", rotation?.shadowValueLastUsed ?? null, "new")}
      <div class="rotation-value">
        <dt>Grace period</dt>
        <dd class="rotation-main">${rotatesAt === null ? "ended" : timeLeft(Date.parse(rotatesAt) - now())}</dd>
        <dd class="muted">${rotatesAt === null ? nothing : html`until ${exact(rotatesAt)}; then only the new value works`}</dd>
      </div>
    </dl>
    <div class="rotation-foot">
      <p class="rotation-verdict ${isSafe ? "safe" : ""}" role="status">
        ${icon(isSafe ? "check" : "clock")}<span><b>${isSafe ? "Safe to complete." : "Not safe to complete yet."}</b> ${verdict(rotation)}</span>
      </p>
      ${mayManage ? buttons : nothing}
    </div>
    ${isOwn(target) ? html`<p class="hint">You are signed in with this key, so this page is one of its clients.</p>` : nothing}`;
  return card("Is the outgoing value still in use?", content, { actions: live, kind: "rotation" });
}

/** @param {string} title @param {string} masked @param {string | null} lastUsed @param {string} kind */
function value(title, masked, lastUsed, kind) {
  return html`<div class="rotation-value ${kind}">
    <dt>${title} <code>${tail(masked)}</code></dt>
    <dd class="rotation-main">${lastUsed === null ? "Never used" : html`Used ${when(lastUsed, { canFocus: true })}`}</dd>
    <dd class="muted">${lastUsed === null ? "no use so far" : exact(lastUsed)}</dd>
  </div>`;
}

/** @param {ApiKey["rotation"]} rotation */
function verdict(rotation) {
  if (!rotation || rotation.isSafeToComplete) return "The new value is in use, and the old one was not used for an hour.";
  if (rotation.shadowValueLastUsed === null) return "Nobody has used the new value yet.";
  if (rotation.valueLastUsed !== null) return `The old value was used ${ago(rotation.valueLastUsed, now())}. Wait until it has not been used for an hour.`;
  return "";
}

/** `2 days 5 h left` @param {number} leftMs */
function timeLeft(leftMs) {
  if (leftMs <= 0) return "ended";
  const [days, hours, minutes] = [Math.floor(leftMs / DAY), Math.floor((leftMs % DAY) / HOUR), Math.floor((leftMs % HOUR) / MINUTE)];
  if (days > 0) return `${days === 1 ? "1 day" : `${days} days`} ${hours} h left`;
  if (hours > 0) return `${hours} h ${minutes} min left`;
  if (minutes > 0) return `${minutes} min ${Math.floor((leftMs % MINUTE) / 1000)} s left`;
  return `${Math.floor(leftMs / 1000)} s left`;
}
