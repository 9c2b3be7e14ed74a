// Where keys are: in the API and in the console.

/** @typedef {import("./types.js").ApiKey} ApiKey */

/**
 * The path of the keys of the organization, or of a project, in the API.
 * @param {string | null} projectId
 */
export function keysPath(projectId) {
  return projectId ? `v2/projects/${projectId}/api-keys` : "v2/organization/api-keys";
}

/**
 * The page of a list of keys.
 * @param {string | null} projectId
 */
export function keysHref(projectId) {
  return projectId ? `#/projects/${projectId}` : "#/keys";
}

/**
 * The page of a key.
 * @param {string | null} projectId
 * @param {number} id
 */
export function keyHref(projectId, id) {
  return projectId ? `#/projects/${projectId}/keys/${id}` : `#/keys/${id}`;
}

/** @typedef {"active" | "expiring" | "expired" | "deactivated"} State */

const EXPIRING_MS = 30 * 86_400_000;

/**
 * The state of a key, as the API's filter `state` has it. An expiring key is active as well.
 * @param {ApiKey} key
 * @param {number} now
 * @returns {State}
 */
export function stateOf(key, now) {
  if (!key.valid) return "deactivated";
  if (key.expiresAt === null) return "active";
  const left = Date.parse(key.expiresAt) - now;
  if (left <= 0) return "expired";
  return left <= EXPIRING_MS ? "expiring" : "active";
}

/**
 * Whether both values of the key work.
 * @param {ApiKey} key
 * @param {number} now
 */
export function isRotating(key, now) {
  return key.rotatesAt !== null && Date.parse(key.rotatesAt) > now;
}
