// Every screen at two widths in both schemes: axe-core finds nothing, nothing is wider than the window, and a picture of
// each is left in screens/.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { goTo, inBrowser, signIn } from "./harness.mjs";
import { fill, fillHostile } from "./sample.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

for (const width of [390, 1280]) {
  for (const colorScheme of ["light", "dark"]) {
    test(`every screen is accessible at ${width} pixels, ${colorScheme}`, inBrowser(everyScreen, {
      context: { viewport: { width, height: width < 600 ? 844 : 800 }, colorScheme, reducedMotion: "reduce" },
    }));
  }
}

async function everyScreen({ server, page }) {
  const { width } = page.viewportSize();
  const scheme = (await page.evaluate(() => matchMedia("(prefers-color-scheme: dark)").matches)) ? "dark" : "light";
  const made = { ...(await fill(server)), ...(await fillHostile(server)) };
  await page.addInitScript(axe);
  const look = async (name) => {
    await page.locator(".skeleton").first().waitFor({ state: "detached" });
    await expectAccessible(page, `${name} at ${width}, ${scheme}`);
    await page.screenshot({ path: `screens/${name}-${width}-${scheme}.png`, fullPage: true });
  };
  const dialog = page.getByRole("dialog");
  const close = async () => {
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
  };

  await page.goto(`${server.url}/console/`);
  await look("sign-in");
  await signIn(page, server);
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await look("overview");

  await goTo(page, "#/keys");
  await page.getByRole("link", { name: "CI deploy" }).waitFor();
  await look("keys");
  await goTo(page, "#/keys?name=nothing-like-this");
  await page.getByText("No key matches these filters.").waitFor();
  await look("keys-none");
  await goTo(page, "#/keys");
  await page.keyboard.press("n");
  await look("create-key");
  await dialog.getByLabel("Name").fill("Search indexer");
  await dialog.getByRole("button", { name: "Create key" }).click();
  await dialog.getByRole("button", { name: "I have saved it" }).waitFor();
  await look("value");
  await dialog.getByRole("button", { name: "I have saved it" }).click();

  await goTo(page, `#/keys/${made.deploy.id}`);
  await page.getByRole("heading", { name: "CI deploy", level: 1 }).waitFor();
  await page.getByText("Only staging from now on.").waitFor();
  await look("key-rotating");
  for (const name of ["Complete", "Cancel", "Change", "Deactivate", "Revoke"]) {
    await page.getByRole("main").getByRole("button", { name: new RegExp(`^${name}`) }).first().click();
    await look(`key-${name.toLowerCase()}`);
    await close();
  }
  for (const [name, id] of [["markup", made.markup.id], ["long", made.long.id], ["off", made.off.id], ["own", 1]]) {
    await goTo(page, `#/keys/${id}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await look(`key-${name}`);
  }
  await page.getByRole("main").getByRole("button", { name: /^Rotate/ }).first().click();
  await look("key-rotate");
  await close();

  await goTo(page, "#/projects");
  await page.getByRole("link", { name: "Web shop" }).waitFor();
  await look("projects");
  await page.keyboard.press("n");
  await look("create-project");
  await close();
  await goTo(page, `#/projects/${made.shop.id}`);
  await page.getByRole("link", { name: "Customer 17" }).waitFor();
  await look("project");
  await goTo(page, "#/audit");
  await page.getByText("Only staging from now on.").first().waitFor();
  await look("audit");
  await goTo(page, "#/organization");
  await page.getByRole("heading", { name: "Organization", level: 1 }).waitFor();
  await look("organization");
  await goTo(page, "#/connect");
  await page.getByRole("heading", { name: "Connect", level: 1 }).waitFor();
  await look("connect");
  await goTo(page, "#/access");
  await page.getByRole("heading", { level: 1 }).waitFor();
  await look("access");
  await page.keyboard.press("?");
  await look("keyboard");
  await close();
  await goTo(page, "#/nowhere");
  await page.getByText("There is no such page.").waitFor();
  await look("nowhere");
}

async function expectAccessible(page, where) {
  const violations = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return violations.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map((node) => `${node.target}: ${node.failureSummary}`).join("\n  ")}`);
  });
  assert.deepEqual(violations, [], where);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(overflow <= 0, `${where}: the page is ${overflow} pixels wider than the window`);
}
