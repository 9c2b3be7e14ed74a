// Plain names for what a use of a key can end in; the API's codes.

/** @type {Record<string, string>} */
const NAMES = {
  VALID: "Valid",
  DEACTIVATED: "Key deactivated",
  EXPIRED: "Key expired",
  ROTATED_OUT: "Old value, rotated out",
  RATE_LIMITED: "Above the limit",
  ADDRESS_REFUSED: "Address not allowed",
  INSUFFICIENT_PERMISSIONS: "Permission missing",
};

/** `Address not allowed`; a code that this console does not know stands for itself. @param {string} code */
export function outcomeName(code) {
  return NAMES[code] ?? code;
}

/**
 * How many uses ended in what, with the most frequent refusal first.
 * @param {import("./types.js").UsageStep[]} steps
 */
export function totals(steps) {
  /** @type {Map<string, number>} */
  const codes = new Map();
  let valid = 0;
  for (const step of steps) {
    valid += step.valid;
    for (const [code, uses] of Object.entries(step.refused)) codes.set(code, (codes.get(code) ?? 0) + uses);
  }
  const refused = [...codes].sort((one, other) => other[1] - one[1]);
  return { valid, refused, allRefused: refused.reduce((sum, [, uses]) => sum + uses, 0) };
}
