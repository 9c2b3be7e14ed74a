// Each role sees what it may, and nothing else is offered.
import assert from "node:assert/strict";
import { test } from "node:test";
import { goTo, inBrowser, signIn } from "./harness.mjs";

/** Pages in the navigation, and the buttons on the page of a key below admin. */
const ROLES = {
  admin: { pages: ["Overview", "Keys", "Projects", "Audit log", "Organization", "Connect"], actions: ["Change", "Rotate", "Deactivate", "Revoke"], creates: true, life: true },
  manager: { pages: ["Overview", "Keys", "Projects", "Organization", "Connect"], actions: ["Change", "Rotate", "Deactivate", "Revoke"], creates: true, life: false },
  auditor: { pages: ["Overview", "Keys", "Projects", "Audit log", "Organization", "Connect"], actions: [], creates: false, life: true },
  verifier: { pages: ["Organization", "Connect"] },
  none: { pages: ["Connect"] },
};

for (const [role, expected] of Object.entries(ROLES)) {
  test(`the role ${role} sees its pages and its actions`, inBrowser(async ({ server, page }) => {
    const subject = await server.createKey({ name: "Subject", role: "verifier" });
    const own = await server.createKey({ name: `Own ${role}`, role });
    await signIn(page, server, own.value);
    const links = page.getByRole("navigation", { name: "Pages" }).getByRole("link");
    await links.first().waitFor();
    assert.deepEqual((await links.allInnerTexts()).map((text) => text.trim()), expected.pages);

    await goTo(page, `#/keys/${subject.id}`);
    const main = page.getByRole("main");
    if (!expected.actions) {
      await main.getByText(/role/).first().waitFor();
      assert.equal(await main.getByRole("button", { name: "Revoke" }).count(), 0);
      await goTo(page, `#/keys/${own.id}`);
      await page.getByRole("heading", { name: `Own ${role}`, level: 1 }).waitFor();
      await goTo(page, "#/keys");
      await page.getByText("may not see this page").waitFor();
      return;
    }
    await page.getByRole("heading", { name: "Subject", level: 1 }).waitFor();
    await main.getByRole("heading", { name: "Use", exact: true }).waitFor();
    for (const name of ["Change", "Rotate", "Deactivate", "Revoke"]) {
      assert.equal(await main.getByRole("button", { name, exact: true }).count(), expected.actions.includes(name) ? 1 : 0, name);
    }
    assert.equal(await main.getByRole("heading", { name: "Life" }).count(), expected.life ? 1 : 0);
    await goTo(page, "#/keys");
    await main.getByRole("link", { name: "Subject" }).waitFor();
    assert.equal(await main.getByRole("button", { name: /New key/ }).count(), expected.creates ? 1 : 0);
    await goTo(page, "#/projects");
    await page.getByRole("heading", { name: "Projects", level: 1 }).waitFor();
    assert.equal((await main.getByRole("button", { name: /New project/ }).count()) > 0, role === "admin");
  }));
}

test("a manager is not offered the role admin, and no change of an admin", inBrowser(async ({ server, page }) => {
  const own = await server.createKey({ name: "Manager", role: "manager" });
  await signIn(page, server, own.value, { at: "#/keys" });
  await page.getByRole("main").getByRole("button", { name: /New key/ }).click();
  const roles = await page.getByRole("dialog").getByLabel("Role").locator("option").allInnerTexts();
  assert.deepEqual(roles, ["manager", "auditor", "verifier", "none"]);
  await page.keyboard.press("Escape");
  await goTo(page, "#/keys/1");
  await page.getByText("Only an admin may change a key with the role admin.").waitFor();
  assert.equal(await page.getByRole("main").getByRole("button", { name: "Revoke" }).count(), 0);
}));

test("a role that is lowered meanwhile is told by the server's sentence", inBrowser(async ({ server, page }) => {
  const own = await server.createKey({ name: "Manager", role: "manager" });
  await signIn(page, server, own.value, { at: "#/keys" });
  await page.getByRole("main").getByRole("button", { name: /New key/ }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("Too late");
  await server.call("PUT", `v2/organization/api-keys/${own.id}`, { role: "verifier" });
  await page.getByRole("dialog").getByRole("button", { name: "Create key" }).click();
  await page.getByRole("dialog").getByRole("alert").filter({ hasText: "the one that was sent has the role verifier" }).waitFor();
}));

test("a project's manager sees its project and nothing else", inBrowser(async ({ server, page }) => {
  const { project } = await server.call("POST", "v2/projects", { name: "Web shop" });
  const own = await server.createKey({ name: "Shop manager", role: "manager" }, project.id);
  await signIn(page, server, own.value);
  await page.getByRole("heading", { name: "Web shop", level: 1 }).waitFor();
  await page.getByRole("link", { name: "Default key" }).waitFor();
  const links = await page.getByRole("navigation", { name: "Pages" }).getByRole("link").allInnerTexts();
  assert.deepEqual(links.map((text) => text.trim()), ["Keys", "Connect"]);
  assert.equal(await page.getByRole("main").getByRole("button", { name: /^Delete/ }).count(), 0);
}));
