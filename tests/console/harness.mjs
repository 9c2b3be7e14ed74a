// A server and a browser of their own for each test. A test fails where the console complains, breaks its content security
// policy, or asks another host.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

const TIMEOUT_MS = 20_000;
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--no-proxy-server",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--host-resolver-rules=MAP keystead.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];
export const DAY_MS = 86_400_000;

/** A server with a store of its own. */
export class Server {
  /** @param {string} folder @param {Record<string, string>} settings environment variables */
  constructor(folder, settings) {
    this.folder = folder;
    this.settings = settings;
    this.address = "127.0.0.1:0";
  }

  static async start(settings = {}) {
    const server = new Server(await mkdtemp(join(tmpdir(), "keystead-console-")), settings);
    await server.listen();
    server.key = (await readFile(join(server.folder, "first-key"), "utf8")).trim();
    return server;
  }

  /** Starts the process, again at the same address after a stop. */
  async listen() {
    const others = Object.entries(process.env).filter(([name]) => !name.startsWith("KEYSTEAD"));
    const env = { ...Object.fromEntries(others), KEYSTEAD_METRICS_LISTEN: "off", KEYSTEAD_DEV_CLOCK: "true", ...this.settings };
    const options = { cwd: this.folder, env, stdio: ["ignore", "pipe", "ignore"] };
    this.process = spawn(process.env.KEYSTEAD, ["serve", "--listen", this.address], options);
    for await (const line of createInterface({ input: this.process.stdout })) {
      const found = /http:\/\/(\S+)/.exec(line);
      if (!found) continue;
      this.address = found[1];
      this.url = `http://${this.address}`;
      return;
    }
    throw new Error("the server did not start");
  }

  /** The same server under a name that the browser does not take for this machine: it is no secure context there. */
  get remoteUrl() {
    return this.url.replace("127.0.0.1", "keystead.test");
  }

  async stop() {
    if (this.process.exitCode !== null) return;
    this.process.kill();
    await once(this.process, "exit");
  }

  async remove() {
    await this.stop();
    await rm(this.folder, { recursive: true });
  }

  /** Asks the API; returns the data. */
  async call(method, path, body, key = this.key) {
    const headers = { "X-API-Key": key, "Content-Type": "application/json" };
    const response = await fetch(`${this.url}/${path}`, { method, headers, body: body && JSON.stringify(body) });
    const answer = await response.json();
    assert.ok(response.ok, `${method} ${path}: ${JSON.stringify(answer)}`);
    return answer.data;
  }

  /** The status that the API answers with for this key. */
  async status(key, path = "v2/whoami") {
    return (await fetch(`${this.url}/${path}`, { headers: { "X-API-Key": key } })).status;
  }

  /** Creates a key of the organization, or of a project. */
  createKey(fields, projectId) {
    return this.call("POST", projectId ? `v2/projects/${projectId}/api-keys` : "v2/organization/api-keys", fields);
  }

  /** Changes the store's file itself, as an older version could have written it. */
  async rewrite(statement, ...values) {
    await this.stop();
    const script = "import sqlite3, sys; db = sqlite3.connect('keystead.db'); db.execute(sys.argv[1], sys.argv[2:]); db.commit()";
    await promisify(execFile)("python3", ["-c", script, statement, ...values], { cwd: this.folder });
    await this.listen();
  }

  /** Moves the server's clock. */
  advance(ms) {
    return this.call("POST", "dev/clock", { advanceInMs: ms });
  }
}

/**
 * Runs a test with a server and a page.
 * @param {(test: { server: Server, page: import("playwright-core").Page, open: typeof open }) => Promise<void>} test
 */
export function inBrowser(test, { settings = {}, context = {} } = {}) {
  return async () => {
    const server = await Server.start(settings);
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ARGUMENTS });
    try {
      const page = await open(browser, server, context);
      await test({ server, page, open: (more) => open(browser, server, { ...context, ...more }) });
      for (const { page, complaints } of opened.splice(0)) {
        if (!page.isClosed()) complaints.push(...(await page.evaluate(() => globalThis.reports ?? [])));
        assert.deepEqual(complaints, []);
      }
    } finally {
      opened.length = 0;
      await browser.close();
      await server.remove();
    }
  };
}

const opened = [];

/** A new page in a context of its own, not yet at an address. */
export async function open(browser, server, options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: server.url });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  const complaints = [];
  opened.push({ page, complaints });
  page.on("console", (message) => {
    // The browser itself reports each refused request, each one without an answer, and plain HTTP from another machine:
    // tests provoke all three.
    const isProvoked = /^(Failed to load resource: (the server responded with a status of|net::ERR_CONNECTION_)|The Cross-Origin-Opener-Policy header has been ignored, because the URL's origin was untrustworthy)/.test(message.text());
    if (["error", "warning"].includes(message.type()) && !isProvoked) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.stack));
  page.on("request", (request) => {
    const isOwn = [`${server.url}/`, `${server.remoteUrl}/`, "data:", `blob:${server.url}/`].some((start) => request.url().startsWith(start));
    if (!isOwn) complaints.push(`asks ${request.url()}`);
    if (/confident_(org|proj)_[0-9a-f]{32}/.test(request.url())) complaints.push(`a key in the address ${request.url()}`);
  });
  await page.addInitScript(() => {
    globalThis.reports = [];
    document.addEventListener("securitypolicyviolation", (event) =>
      globalThis.reports.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`),
    );
  });
  return page;
}

/** Signs in by pasting a key, as a user does. */
export async function signIn(page, server, key = server.key, { remember = false, at = "", url = server.url } = {}) {
  await page.goto(`${url}/console/${at}`);
  await page.getByLabel("API key").fill(key);
  if (remember) await page.getByRole("checkbox", { name: /Remember/ }).check();
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator(".frame").or(page.getByRole("alert")).first().waitFor();
}

/** Goes to a page of the console by its address. */
export async function goTo(page, hash) {
  await page.evaluate((to) => (location.hash = to), hash);
}

/** The text of the clipboard. */
export function clipboard(page) {
  return page.evaluate(() => navigator.clipboard.readText());
}
