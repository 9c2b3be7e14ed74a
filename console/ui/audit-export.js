// The dialog that exports the audit log as a file.

import { html } from "../vendor/lit-html.js";
import { now } from "../lib/clock.js";
import { plural } from "../lib/format.js";
import { refresh } from "../lib/render.js";
import { exportFields, mistake } from "./audit-filters.js";
import { closeDialog, dialogForm, formState, openDialog } from "./dialog.js";
import { given } from "./parts.js";
import { toast } from "./toast.js";

/** @typedef {import("./audit-filters.js").Filter} Filter */
/** @typedef {{ id: string, status: "IN_PROGRESS" | "COMPLETED" | "ERRORED", rowCount: number | null, errorMessage: string | null }} Export */

const PATH = "v2/organization/audit-logs/exports";
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 2_000;

/**
 * @param {import("../lib/sessions.js").Session} session
 * @param {Filter} filter
 * @param {AbortSignal} signal ends the export when the user leaves the page
 */
export function openExport(session, filter, signal) {
  const state = formState();
  let progress = "";
  const say = (/** @type {string} */ sentence) => ((progress = sentence), refresh());
  const submit = async () => {
    try {
      const wrong = mistake(filter);
      if (wrong) throw new Error(wrong);
      say("The server prepares the file.");
      const begun = (await session.api.change("POST", PATH, exportFields(filter, now()))).data;
      const finished = await finish(session, begun, signal);
      say("The file is read from the server.");
      save(await session.api.download(`${PATH}/${finished.id}/download`, {}, signal).then(toFile));
      toast(`${plural(finished.rowCount ?? 0, "event")} exported.`);
      // The user may have closed this dialog and opened another one.
      if (document.querySelector("[data-export]")) closeDialog();
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      say("");
    }
  };
  const content = () => html`<p data-export>${whatIsExported(filter)}</p>
    <p>The file is a table (CSV), compressed with gzip.</p>
    <p class="muted" role="status">${progress}</p>`;
  openDialog({ title: "Export the audit log", view: () => dialogForm(state, { content: content(), submit: "Export", canClose: true, onSubmit: submit }) });
}

/** @param {Filter} filter */
function whatIsExported({ from, to, text, actor, action, resource }) {
  const range = from && to ? `from ${from} to ${to}` : from ? `from ${from} on` : to ? `until ${to}` : "of all times";
  const isNarrower = actor !== "" || action !== "" || resource !== "";
  return html`The export has all events ${range}${text.trim() ? html` with the text “${given(text.trim())}”` : ""}.
  ${isNarrower ? "The filters for who, what and resource do not apply to it." : ""}`;
}

/**
 * Waits until the export is complete.
 * @param {import("../lib/sessions.js").Session} session
 * @param {Export} begun
 * @param {AbortSignal} signal
 */
async function finish(session, begun, signal) {
  let current = begun;
  for (let pauseMs = FIRST_PAUSE_MS; current.status === "IN_PROGRESS"; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    current = await session.api.get(`${PATH}/${begun.id}`, {}, signal);
  }
  if (current.status === "ERRORED") throw new Error(current.errorMessage ?? "The export failed.");
  return current;
}

/** @param {Response} response */
async function toFile(response) {
  const name = /filename="([\w.-]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? "audit-log.csv.gz";
  return { name, content: await response.blob() };
}

/** Saves a file as the browser saves downloads. @param {{ name: string, content: Blob }} file */
function save({ name, content }) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
