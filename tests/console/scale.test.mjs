// Sizes and speed: the bytes of the console, the first paint, a long table, memory over a thousand pages.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { inBrowser, signIn } from "./harness.mjs";

const run = promisify(execFile);
/** Of a hundred keys each. */
const PAGES = 1_000;
/** More on request. */
const KEYS = Number(process.env.CONSOLE_TEST_KEYS ?? 100 * PAGES);
const LARGEST_BYTES = 150_000;
const FIRST_PAINT_MS = 300;
const SLOWEST_FPS = 50;

test("all files together are small when compressed", async (t) => {
  const files = await readdir(process.env.CONSOLE, { recursive: true });
  const served = files.filter((file) => [".html", ".css", ".js", ".svg"].includes(extname(file)));
  const sizes = await Promise.all(served.map(async (file) => gzipSync(await readFile(join(process.env.CONSOLE, file))).length));
  const size = sizes.reduce((sum, next) => sum + next, 0);
  t.diagnostic(`${served.length} files, ${size} bytes compressed`);
  assert.ok(size < LARGEST_BYTES, `${size} bytes`);
});

test("the page with its data is painted soon", inBrowser(async ({ server, page }) => {
  for (let number = 0; number < 50; number++) await server.createKey({ name: `Key ${number}`, role: "none" });
  await signIn(page, server, server.key, { remember: true, at: "#/keys" });
  const took = [];
  for (let round = 0; round < 5; round++) {
    await page.reload({ waitUntil: "commit" });
    took.push(await page.evaluate(async () => {
      while (document.querySelectorAll(".rows .row-link").length < 10) await new Promise(requestAnimationFrame);
      await new Promise(requestAnimationFrame);
      return performance.now();
    }));
  }
  const best = Math.min(...took);
  console.log(`# first paint with data, in ms: ${took.map(Math.round).join(" ")}`);
  assert.ok(best < FIRST_PAINT_MS, `${took.map(Math.round).join(", ")} ms`);
}));

test("a long table scrolls fast, and its memory is flat over a thousand pages", inBrowser(async ({ server, page }) => {
  await importKeys(server);
  await signIn(page, server, server.key, { at: "#/keys" });
  await page.getByRole("link", { name: `Key ${KEYS - 1}`, exact: true }).waitFor();
  const client = await page.context().newCDPSession(page);
  await client.send("HeapProfiler.enable");
  const heap = async () => {
    await client.send("HeapProfiler.collectGarbage");
    return (await client.send("Runtime.getHeapUsage")).usedSize;
  };
  const fps = await framesWhileScrolling(page);
  console.log(`# frames a second while scrolling: ${fps.map(Math.round).join(" ")}`);
  assert.ok(Math.max(...fps) > SLOWEST_FPS, `${fps.join(", ")} frames a second`);

  await scrollTo(page, 100);
  const before = await heap();
  await scrollTo(page, PAGES);
  await page.getByRole("link", { name: `Key ${KEYS - 100 * PAGES}`, exact: true }).waitFor();
  const after = await heap();
  const [rows, known] = await page.evaluate(() => [document.querySelectorAll(".rows .row").length, document.querySelector("[role=table]").ariaRowCount]);
  console.log(`# heap after 100 pages: ${before} bytes; after ${PAGES}: ${after}; rows in the document: ${rows} of ${known}`);
  assert.ok(after < before + 2_000_000, "each further page costs less than 2,200 bytes");
  assert.ok(rows < 150);

  await page.evaluate(() => scrollTo(0, 0));
  await page.getByRole("link", { name: `Key ${KEYS - 1}`, exact: true }).waitFor();
}));

async function importKeys(server) {
  const rows = ["name,digest,algorithm,role"];
  for (let number = 0; number < KEYS; number++) {
    rows.push(`Key ${number},${createHash("sha256").update(`${number}`).digest("hex")},blake3,none`);
  }
  await writeFile(join(server.folder, "keys.csv"), rows.join("\n"));
  await run(process.env.KEYSTEAD, ["import", "keys.csv", "--organization-keys"], { cwd: server.folder, env: { PATH: process.env.PATH }, maxBuffer: 1e9 });
}

/** Scrolls by 60 pixels a frame; returns the frames of each second. */
function framesWhileScrolling(page) {
  return page.evaluate(async () => {
    const rates = [];
    for (let second = 0; second < 5; second++) {
      const begun = performance.now();
      let frames = 0;
      while (performance.now() - begun < 1000) {
        scrollBy(0, 60);
        await new Promise(requestAnimationFrame);
        frames++;
      }
      rates.push((frames * 1000) / (performance.now() - begun));
    }
    return rates;
  });
}

/** Scrolls to the end of what is known until so many pages were read. */
function scrollTo(page, pages) {
  return page.evaluate(async (rows) => {
    const known = () => document.querySelector(".rows").clientHeight / 40;
    while (known() < rows) {
      const before = known();
      window.scrollTo(0, document.documentElement.scrollHeight);
      while (known() === before) await new Promise(requestAnimationFrame);
    }
    window.scrollTo(0, document.documentElement.scrollHeight);
  }, pages * 100);
}
