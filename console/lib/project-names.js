// Names of projects, read with one request.

import { refresh } from "./render.js";

const MOST = 1000;

/**
 * Gives the name of a project; null of a deleted one; undefined until the names are read, or where they cannot be.
 * @param {import("./api.js").Api} api
 * @param {AbortSignal} signal ends the read
 * @returns {(projectId: string) => string | null | undefined}
 */
export function projectNames(api, signal) {
  /** @type {Map<string, string> | undefined} */
  let names;
  let isComplete = false;
  const read = async () => {
    names = new Map();
    try {
      const { projects, nextCursor } = await api.get("v2/projects", { limit: MOST }, signal);
      for (const { id, name } of projects) names.set(id, name);
      isComplete = nextCursor === null;
      refresh();
    } catch {
      // What belongs to a project is shown without its name.
    }
  };
  return (id) => {
    if (!names) read();
    return names?.get(id) ?? (isComplete ? null : undefined);
  };
}
