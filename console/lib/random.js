// Random texts. `crypto.randomUUID` exists only over HTTPS and on localhost.

/** A random text for an `Idempotency-Key`. */
export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
