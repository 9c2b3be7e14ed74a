// The server's time: a browser whose clock is wrong still shows the right "in 3 days".

let aheadMs = 0;

/** The present, in milliseconds since 1970. */
export function now() {
  return Date.now() + aheadMs;
}

/**
 * Learns the server's time from a response. `Date` has whole seconds, so smaller differences are ignored.
 * @param {Response} response
 */
export function learnFrom(response) {
  const served = Date.parse(response.headers.get("date") ?? "");
  if (Number.isNaN(served)) return;
  const difference = served - Date.now();
  aheadMs = Math.abs(difference) < 2_000 ? 0 : difference;
}
