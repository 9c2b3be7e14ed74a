// What each role may do, so that the console offers nothing else. The server decides; this only hides.

/** @typedef {"admin" | "manager" | "auditor" | "verifier" | "none"} Role */
/** @typedef {"organization" | "read" | "audit" | "manage" | "administer"} Task */

/** @type {Record<Role, Task[]>} */
const TASKS = {
  admin: ["organization", "read", "audit", "manage", "administer"],
  manager: ["organization", "read", "manage"],
  auditor: ["organization", "read", "audit"],
  verifier: ["organization"],
  none: [],
};

/** What each role means, for people who choose one. @type {Record<Role, string>} */
export const MEANINGS = {
  admin: "may do everything in this organization",
  manager: "creates, changes and revokes all keys below admin, auditors too",
  auditor: "reads everything, also the audit log; changes nothing",
  verifier: "asks whether keys are valid",
  none: "only presented to other services: customers, devices, jobs",
};

/**
 * Roles that keys of the organization, or of a project, can have; from the highest on.
 * @param {string | null} projectId
 * @returns {Role[]}
 */
export function possibleRoles(projectId) {
  return projectId ? ["manager", "verifier", "none"] : ["admin", "manager", "auditor", "verifier", "none"];
}

/**
 * Whether a key of this role may do this. A project's key reaches only its project.
 * @param {Role} role
 * @param {Task} task
 */
export function may(role, task) {
  return TASKS[role].includes(task);
}

/**
 * Whether a key of this role may create, change and revoke keys of the other role.
 * @param {Role} role
 * @param {Role} other
 */
export function mayManage(role, other) {
  return may(role, "manage") && (role === "admin" || other !== "admin");
}
