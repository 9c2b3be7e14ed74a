// Whether the server answers.

import { refresh } from "./render.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;

let isDown = false;
/** @type {Promise<void> | undefined} */
let watch;

/** Whether the last request had no answer. */
export function isServerDown() {
  return isDown;
}

/** An answer came. */
export function markReachable() {
  if (!isDown) return;
  isDown = false;
  refresh();
}

/**
 * Resolves when the server answers again. All who wait share one series of questions.
 * @param {AbortSignal} [signal] ends the wait with an error
 */
export async function waitUntilReachable(signal) {
  isDown = true;
  refresh();
  watch ??= askUntilAnswered().finally(() => (watch = undefined));
  await watch;
  signal?.throwIfAborted();
}

async function askUntilAnswered() {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    try {
      const response = await fetch(new URL("../healthz", document.baseURI), { cache: "no-store" });
      if (response.ok) return markReachable();
    } catch {
      // Not yet.
    }
  }
}
