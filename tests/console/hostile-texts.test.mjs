// Texts that users wrote are shown, never run: markup, right-to-left marks, 255 characters without a space.
import assert from "node:assert/strict";
import { test } from "node:test";
import { goTo, inBrowser, signIn } from "./harness.mjs";
import { LONG, MARKS, MARKUP, RIGHT_TO_LEFT } from "./sample.mjs";

const TEXTS = [MARKUP, RIGHT_TO_LEFT, LONG];

for (const width of [360, 1280]) {
  test(`names, owners, metadata and reasons are only shown, at ${width} pixels`, inBrowser(async ({ server, page }) => {
    await server.call("PUT", "v2/organization", { name: MARKUP });
    const shown = [];
    for (const text of TEXTS) {
      const { project } = await server.call("POST", "v2/projects", { name: text, description: text });
      const key = await server.createKey({ name: text, owner: text, role: "none", metadata: { [text]: text } });
      const { value } = await server.createKey({ name: text, owner: text, role: "manager" }, project.id);
      await server.call("PUT", `v2/organization/api-keys/${key.id}`, { valid: false, reason: text });
      await server.call("POST", "v2/verify", { value });
      shown.push({ text, key, project });
    }
    await signIn(page, server);
    for (const hash of ["#/overview", "#/keys", "#/projects", "#/audit", "#/organization", "#/connect", "#/access"]) await expectCalm(page, hash);
    for (const { text, key, project } of shown) {
      await expectCalm(page, `#/projects/${project.id}`);
      await expectCalm(page, `#/keys/${key.id}`);
      const heading = page.getByRole("heading", { level: 1 });
      assert.equal(await heading.textContent().then((found) => found.trim()), text.trim());
      await page.getByRole("main").getByRole("button", { name: "Revoke", exact: true }).click();
      await page.getByRole("dialog").getByLabel(/or its number/).fill(String(key.id));
      assert.ok(await page.getByRole("dialog").getByRole("button", { name: "Revoke for good" }).isEnabled());
      await page.keyboard.press("Escape");
      await page.getByRole("main").getByRole("button", { name: "Change", exact: true }).click();
      assert.equal(await page.getByRole("dialog").getByLabel("Owner").inputValue(), text);
      await page.keyboard.press("Escape");
    }
  }, { context: { viewport: { width, height: 800 } } }));
}

async function expectCalm(page, hash) {
  await goTo(page, hash);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.locator(".skeleton").first().waitFor({ state: "detached" });
  const found = await page.evaluate(() => ({
    images: document.querySelectorAll("#app img, #dialogs img").length,
    scripts: document.querySelectorAll("#app script, #dialogs script").length,
    title: document.title,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  }));
  assert.deepEqual([found.images, found.scripts, found.overflow <= 0], [0, 0, true], `${hash}: ${JSON.stringify(found)}`);
  assert.ok(!["1", "2"].includes(found.title));
}

test("marks of direction are refused in a sentence, and those of an older store do not spill over", inBrowser(async ({ server, page }) => {
  const key = await server.createKey({ name: "Marked", role: "none" });
  await server.rewrite("UPDATE api_keys SET name = ?, owner = ?, metadata = ? WHERE id = 2", MARKS, MARKS, JSON.stringify({ [MARKS]: MARKS }));
  await signIn(page, server, server.key, { at: "#/keys" });
  await page.locator(".row-link").first().waitFor();
  const cells = await page.locator(".rows .row").first().locator("[role=cell]").evaluateAll((all) => all.map((cell) => getComputedStyle(cell.querySelector("bdi") ?? cell).unicodeBidi));
  assert.equal(cells[0], "isolate");
  await goTo(page, `#/keys/${key.id}`);
  const main = page.getByRole("main");
  await page.getByRole("heading", { level: 1 }).waitFor();
  assert.equal(await page.getByRole("heading", { level: 1 }).textContent().then((text) => text.trim()), MARKS);
  await main.getByRole("button", { name: "Change", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill(`${MARKS}2`);
  await dialog.getByRole("button", { name: "Save changes" }).click();
  await dialog.getByRole("alert").filter({ hasText: "invisible character (U+202E)" }).waitFor();
}));
