// Signing in and out: wrong keys, keys that end meanwhile, several organizations, servers that stop.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { goTo, inBrowser, signIn } from "./harness.mjs";

const run = promisify(execFile);

/** The next request about the organization's keys reaches the server, and its answer is lost. */
function loseNextAnswer(page) {
  return page.route("**/v2/organization/api-keys", async (route) => {
    await route.fetch();
    await route.abort("connectionreset");
  }, { times: 1 });
}

test("the address of the server leads to the console, and a wrong key is refused with the server's sentence", inBrowser(async ({ server, page }) => {
  await page.goto(server.url);
  assert.equal(page.url(), `${server.url}/console/`);
  await page.getByRole("button", { name: "Sign in" }).click();
  assert.equal(await page.getByRole("alert").innerText(), "Paste an API key first.");
  const wrong = `confident_org_${"0".repeat(32)}`;
  await page.getByLabel("API key").fill(wrong);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").filter({ hasText: "The API key is not valid." }).waitFor();
  assert.equal(await page.getByLabel("API key").inputValue(), wrong, "what was typed stays");
}));

test("a key is only in memory, and in the tab's storage where the user wants it", inBrowser(async ({ server, page }) => {
  await signIn(page, server);
  const stored = () => page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie, location.href, document.documentElement.outerHTML]));
  assert.ok(!(await stored()).includes(server.key));
  await page.reload();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();

  await signIn(page, server, server.key, { remember: true });
  await page.reload();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  assert.ok(await page.evaluate((key) => sessionStorage.getItem("keystead.keys").includes(key), server.key));
  assert.ok(!(await page.evaluate(() => JSON.stringify({ ...localStorage }))).includes(server.key));
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.ok(!(await stored()).includes(server.key), "nothing stays after signing out");
}));

test("a key that is revoked meanwhile leads back to the sign-in with a sentence", inBrowser(async ({ server, page }) => {
  const own = await server.createKey({ name: "Ana's laptop", role: "admin" });
  await signIn(page, server, own.value, { remember: true, at: "#/keys" });
  await page.getByRole("link", { name: "Ana's laptop", exact: true }).waitFor();
  await server.call("DELETE", `v2/organization/api-keys/${own.id}`);
  await page.getByRole("link", { name: "Projects", exact: true }).click();
  const sentence = page.getByRole("alert");
  await sentence.filter({ hasText: "You were signed out" }).waitFor();
  assert.match(await sentence.innerText(), new RegExp(`“Ana's laptop” \\(…${own.value.slice(-6)}\\) of My organization is no longer accepted`));
  await page.reload();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.getItem("keystead.keys")), null);
}));

test("a server that stops is noticed, and the console goes on when it is back", inBrowser(async ({ server, page }) => {
  await signIn(page, server, server.key, { at: "#/keys" });
  await page.getByRole("link", { name: "First key", exact: true }).waitFor();
  await server.stop();
  await page.getByRole("link", { name: "Projects", exact: true }).click();
  await page.getByText("The server does not answer.").waitFor();
  await server.listen();
  await page.getByText("The server does not answer.").waitFor({ state: "detached" });
  await page.getByRole("heading", { name: "Projects" }).waitFor();
  await goTo(page, "#/keys");
  await page.getByRole("link", { name: "First key", exact: true }).waitFor();
}));

test("a change without an answer says so, and trying again creates no second key", inBrowser(async ({ server, page }) => {
  await signIn(page, server, server.key, { at: "#/keys" });
  await page.getByRole("button", { name: /New key/ }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Nightly job");
  await loseNextAnswer(page);
  await dialog.getByRole("button", { name: "Create key" }).click();
  await dialog.getByRole("alert").filter({ hasText: "did not answer" }).waitFor();
  await dialog.getByRole("button", { name: "Create key" }).click();
  await page.getByText("its value was lost on the way").waitFor();
  const named = async (name) => (await server.call("GET", `v2/organization/api-keys?name=${name}`)).apiKeys.length;
  assert.equal(await named("Nightly"), 1);

  // A form that was changed after the lost answer creates no second key either.
  await goTo(page, "#/keys");
  await page.getByRole("main").getByRole("button", { name: /New key/ }).click();
  await dialog.getByLabel("Name").fill("Weekly job");
  await loseNextAnswer(page);
  await dialog.getByRole("button", { name: "Create key" }).click();
  await dialog.getByRole("alert").filter({ hasText: "did not answer" }).waitFor();
  await dialog.getByLabel("Owner").fill("ana@example.com");
  await dialog.getByRole("button", { name: "Create key" }).click();
  await dialog.getByRole("alert").filter({ hasText: "Your first try was done" }).waitFor();
  assert.equal(await named("Weekly"), 1);
}));

test("a remembered key that could not be checked is forgotten at the sign-out", inBrowser(async ({ server, page }) => {
  const ana = await server.createKey({ name: "Ana", role: "admin" });
  await signIn(page, server, server.key, { remember: true });
  const busy = (route) => route.fulfill({ status: 503, json: { success: false, error: "The store is busy.", deprecated: false } });
  await page.route("**/v2/whoami", busy);
  await page.reload();
  await page.getByText("The store is busy.").waitFor();
  await page.unroute("**/v2/whoami", busy);
  await page.getByLabel("API key").fill(ana.value);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
}));

test("several organizations are open at once, and one sign-out ends all", inBrowser(async ({ server, page }) => {
  const keyFile = join(server.folder, "other.key");
  await run(process.env.KEYSTEAD, ["organizations", "create", "Nordwind <b>GmbH</b>", "--key-file", keyFile], { cwd: server.folder, env: { PATH: process.env.PATH } });
  const other = (await readFile(keyFile, "utf8")).trim();
  await signIn(page, server, server.key, { remember: true });
  await page.getByRole("button", { name: "Organization: My organization" }).click();
  await page.getByRole("button", { name: "Sign in to another organization" }).click();
  await page.getByLabel("API key").fill(other);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Organization: Nordwind <b>GmbH</b>" }).click();
  await page.getByRole("button", { name: /^My organization/ }).click();
  await page.getByRole("button", { name: "Organization: My organization" }).waitFor();
  await page.getByRole("button", { name: "Organization: My organization" }).click();
  await page.getByRole("button", { name: "Sign out of all" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
}));

test("behind a proxy that answers for a stopped server, the console waits, and a remembered key stays remembered", inBrowser(async ({ server, page }) => {
  await signIn(page, server, server.key, { remember: true, at: "#/keys" });
  let isDown = true;
  const proxy = (route) => (isDown ? route.fulfill({ status: 502, contentType: "text/html", body: "<h1>Bad Gateway</h1>" }) : route.continue());
  await page.route(/\/(v2|healthz)/, proxy);
  await page.reload();
  await page.getByText("The server does not answer.").waitFor();
  isDown = false;
  await page.getByRole("heading", { name: "Keys", level: 1 }).waitFor();
  assert.ok(await page.evaluate((key) => sessionStorage.getItem("keystead.keys").includes(key), server.key));
}));

test("a value that is shown once survives the way back, and a form on its way cannot be closed", inBrowser(async ({ server, page }) => {
  const dialog = page.getByRole("dialog");
  await signIn(page, server, server.key, { at: "#/keys" });
  await page.getByRole("main").getByRole("button", { name: /New key/ }).click();
  await dialog.getByLabel("Name").fill("Kept");
  let answer;
  const isAsked = new Promise((resolve) => {
    page.route("**/v2/organization/api-keys", async (route) => {
      await new Promise((go) => resolve((answer = go)));
      await route.continue();
    }, { times: 1 });
  });
  await dialog.getByRole("button", { name: "Create key" }).click();
  await isAsked;
  await page.keyboard.press("Escape");
  assert.ok(await dialog.getByRole("button", { name: "Cancel" }).isDisabled());
  await goTo(page, "#/projects");
  answer();
  const value = dialog.getByLabel("Value of the key");
  await value.waitFor();
  await goTo(page, "#/audit");
  await page.getByRole("heading", { name: "Audit log", level: 1, includeHidden: true }).waitFor();
  assert.match(await value.innerText(), /^confident_org_/);
}));

test("signing out of one organization leads to the start of the other, and the sign-in forgets what was typed", inBrowser(async ({ server, page }) => {
  const ana = await server.createKey({ name: "Ana", role: "admin" });
  await signIn(page, server, server.key, { remember: true });
  const add = async () => {
    await page.getByRole("button", { name: "Organization: My organization" }).click();
    await page.getByRole("button", { name: "Sign in to another organization" }).click();
    await page.getByLabel("API key").fill(ana.value);
  };
  await add();
  await page.getByRole("button", { name: "Back" }).click();
  await add();
  await page.getByRole("checkbox", { name: /Remember/ }).check();
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("link", { name: "Ana signed in as admin" }).waitFor();
  await page.reload();
  await page.getByRole("link", { name: "Ana signed in as admin" }).waitFor();
  await goTo(page, "#/keys/2");
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.equal(await page.getByLabel("API key").inputValue(), "");
  assert.ok(!(await page.getByRole("checkbox", { name: /Remember/ }).isChecked()));
}));

test("a full key that is pasted into a search gets into no address", inBrowser(async ({ server, page }) => {
  await server.call("POST", "v2/projects", { name: "Web shop" });
  await signIn(page, server, server.key, { at: "#/keys" });
  await page.getByLabel("Search by name").fill(server.key);
  await page.getByText("This looks like a full key").waitFor();
  await page.getByLabel("Keys of").selectOption({ label: "Web shop" });
  await page.getByRole("heading", { name: "Web shop", level: 1 }).waitFor();
  assert.ok(!page.url().includes(server.key));
}));
