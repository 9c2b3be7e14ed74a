// Texts that users wrote are shown, never run: markup, right-to-left marks, 255 characters without a space.
import assert from "node:assert/strict";
import { test } from "node:test";
import { goTo, inBrowser, signIn } from "./harness.mjs";
import { LONG, MARKUP, RIGHT_TO_LEFT } from "./sample.mjs";

const TEXTS = { MARKUP, RIGHT_TO_LEFT, LONG };

for (const width of [360, 1280]) {
  test(`names, owners, metadata and reasons are only shown, at ${width} pixels`, inBrowser(async ({ server, page }) => {
    await server.call("PUT", "v2/organization", { name: MARKUP });
    const shown = [];
    for (const text of Object.values(TEXTS)) {
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
