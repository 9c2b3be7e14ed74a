// Shapes of the API's answers, as far as the console reads them. `/openapi.json` describes them in full.

/**
 * @typedef {object} ApiKey
 * @property {number} id
 * @property {string} name
 * @property {boolean} valid
 * @property {string} created_at
 * @property {string | null} expiresAt
 * @property {string} value
 * @property {string | null} shadowValue
 * @property {string | null} rotatesAt
 * @property {string | null} lastUsed
 * @property {{ valueLastUsed: string | null, shadowValueLastUsed: string | null, isSafeToComplete: boolean }} [rotation]
 * @property {{ limit: number, windowInSeconds: number }} [rateLimit]
 * @property {string[]} [allowedAddresses]
 * @property {import("./roles.js").Role} role
 * @property {string[]} permissions
 * @property {string | null} owner
 * @property {Record<string, unknown>} metadata
 */

/** @typedef {{ id: string, name: string, created_at: string }} Organization */
/** @typedef {{ id: string, name: string, description: string | null, created_at: string }} Project */
/** @typedef {{ from: string, valid: number, refused: Record<string, number> }} UsageStep */

/**
 * @typedef {object} AuditEvent
 * @property {number} number
 * @property {string} at
 * @property {string} action
 * @property {string} resource
 * @property {number | null} actorKeyId
 * @property {string} actorName
 * @property {string | null} projectId
 * @property {Record<string, any>} change
 * @property {string | null} clientAddress
 * @property {string | null} userAgent
 * @property {string | null} requestId
 * @property {string} hash
 */

/** @typedef {{ id: number, name: string, projectId: string | null, expiresAt: string }} ExpiringKey */
/** @typedef {{ id: number, name: string, projectId: string | null, created_at: string, lastUsed: string | null }} UnusedKey */

/**
 * @typedef {object} Overview
 * @property {{ total: number, active: number, deactivated: number, expired: number, expiring: number, rotating: number, unused: number }} apiKeys
 * @property {number} projects
 * @property {string} countedAt
 * @property {ExpiringKey[]} expiring
 * @property {UnusedKey[]} unused
 */

/** @typedef {import("../vendor/lit-html.js").TemplateResult | typeof import("../vendor/lit-html.js").nothing} View */

/**
 * What a page gets.
 * @typedef {object} Context
 * @property {import("./sessions.js").Session} session
 * @property {Record<string, string>} params the parts of the address
 * @property {URLSearchParams} query what follows the question mark
 * @property {AbortSignal} signal ends when the user leaves the page
 */

/**
 * A page of the console.
 * @typedef {object} Page
 * @property {string} title
 * @property {() => View} view draws the page as it stands
 * @property {() => void} [create] what the key `n` does
 */

export {};
