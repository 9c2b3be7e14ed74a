// Opens /docs of a server of its own, looks whether it renders, and mints a key with "try it out".
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const TIMEOUT_MS = 30_000;
const OPERATION = "v2CreateOrganizationApiKey";
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--no-proxy-server",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

const folder = await mkdtemp(join(tmpdir(), "keystead-docs-"));
const server = await start(folder);
try {
  await look(server.url, (await readFile(join(folder, "first-key"), "utf8")).trim());
} finally {
  server.process.kill();
  await rm(folder, { recursive: true });
}
console.log("The viewer renders, asks no other host for anything, and mints a key.");

async function start(folder) {
  const environment = Object.entries(process.env).filter(([name]) => !name.startsWith("KEYSTEAD"));
  const child = spawn(process.env.KEYSTEAD, ["serve", "--listen", "127.0.0.1:0"], {
    cwd: folder,
    env: { ...Object.fromEntries(environment), KEYSTEAD_METRICS_LISTEN: "off" },
    stdio: ["ignore", "pipe", "ignore"],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    return { process: child, url: line.replace("Keystead is listening on ", "") };
  }
  throw new Error("the server did not start");
}

async function look(url, key) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ARGUMENTS });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 1600 } });
    page.setDefaultTimeout(TIMEOUT_MS);
    const complaints = [];
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("request", (request) => isWithin(request.url(), url) || complaints.push(`asks ${request.url()}`));

    await page.goto(`${url}/docs`);
    await expectEveryOperation(page, url);
    await authorize(page, key);
    const value = await mint(page);
    await page.screenshot({ path: "docs.png" });
    const answer = await fetch(`${url}/v2/organization`, { headers: { CONFIDENT_API_KEY: value } });
    assert.equal(answer.status, 200, "the key that was minted is good");
    assert.deepEqual(complaints, []);
  } finally {
    await browser.close();
  }
}

// Data and blobs are part of the page.
function isWithin(asked, url) {
  return [`${url}/`, "data:", `blob:${url}/`].some((beginning) => asked.startsWith(beginning));
}

async function expectEveryOperation(page, url) {
  await page.locator(".opblock").first().waitFor();
  const description = await (await fetch(`${url}/openapi.json`)).json();
  const described = Object.values(description.paths).flatMap((path) => Object.keys(path));
  assert.equal(await page.locator(".opblock").count(), described.length, "every operation is shown");
}

async function authorize(page, key) {
  await page.locator(".auth-wrapper .authorize").click();
  const dialog = page.locator(".dialog-ux");
  const scheme = dialog.locator(".auth-container").filter({ hasText: "CONFIDENT_API_KEY" });
  await scheme.locator("input").fill(key);
  await scheme.getByRole("button", { name: "Apply credentials" }).click();
  await dialog.locator(".close-modal").click();
}

async function mint(page) {
  const operation = page.locator(`.opblock[id$="-${OPERATION}"]`);
  await operation.locator(".opblock-summary-control").click();
  await operation.locator(".try-out__btn").click();
  await operation.locator("textarea.body-param__text").fill('{"name": "Minted in the viewer", "expiresInDays": 90}');
  await operation.locator(".execute").click();
  const response = operation.locator(".live-responses-table");
  assert.match(await response.locator(".response-col_status").last().innerText(), /^200/);
  const key = JSON.parse(await response.locator(".response-col_description pre").first().innerText());
  assert.equal(key.data.name, "Minted in the viewer");
  assert.match(key.data.value, /^confident_org_[0-9a-f]{32}$/);
  return key.data.value;
}
