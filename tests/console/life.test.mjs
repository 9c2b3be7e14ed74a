// The whole life of a key, as a user sees it; the server agrees at each step.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clipboard, inBrowser, signIn } from "./harness.mjs";

test("the whole life of a key: created, narrowed, rotated, switched off and on, revoked", inBrowser(async ({ server, page }) => {
  const main = page.getByRole("main");
  const dialog = page.getByRole("dialog");
  const press = (name) => main.getByRole("button", { name, exact: true }).click();
  await signIn(page, server);

  await page.getByRole("link", { name: "Keys", exact: true }).click();
  await main.getByRole("button", { name: /New key/ }).click();
  await dialog.getByLabel("Name").fill("Nightly backup");
  await dialog.getByLabel("Owner").fill("ana@example.com");
  await dialog.getByLabel("Permissions").fill("backups:* reports:read");
  await dialog.getByRole("button", { name: "Create key" }).click();

  // The value is shown once, and does not go away by accident.
  await dialog.getByRole("button", { name: "Copy value" }).click();
  const first = await clipboard(page);
  assert.match(first, /^confident_org_[0-9a-f]{32}$/);
  assert.equal(await dialog.getByLabel("Value of the key").innerText(), first);
  await page.keyboard.press("Escape");
  await page.mouse.click(5, 5);
  assert.ok(await dialog.isVisible());
  await dialog.getByRole("button", { name: "I have saved it" }).click();
  await page.getByRole("heading", { name: "Nightly backup", level: 1 }).waitFor();
  assert.ok(!(await page.content()).includes(first), "the full value is nowhere on the page");
  assert.equal(await server.status(first), 200);

  // Narrowed.
  await press("Change");
  await dialog.getByLabel("Permissions").fill("backups:*");
  await dialog.getByLabel("Role").selectOption("none");
  await dialog.getByLabel("Reason").fill("It only writes backups.");
  await dialog.getByRole("button", { name: "Save changes" }).click();
  await dialog.waitFor({ state: "detached" });
  await main.getByText("It only writes backups.").waitFor();
  const verdict = await server.call("POST", "v2/verify", { value: first, permissions: ["reports:read"] });
  assert.deepEqual([verdict.valid, verdict.code], [false, "INSUFFICIENT_PERMISSIONS"]);

  // Rotated, with both values for a day.
  await press("Rotate");
  await dialog.getByRole("radio", { name: "24 hours" }).check();
  await dialog.getByRole("button", { name: "Rotate", exact: true }).click();
  const second = await dialog.getByLabel("Value of the key").innerText();
  await dialog.getByRole("button", { name: "I have saved it" }).click();
  const panel = main.getByRole("region", { name: "Is the outgoing value still in use?" });
  await panel.getByText("Nobody has used the new value yet.").waitFor();
  assert.deepEqual([await server.status(first), await server.status(second)], [200, 200]);
  await panel.getByText(/The old value was used/).waitFor();
  await panel.getByRole("button", { name: "Complete" }).click();
  await dialog.getByRole("button", { name: "Complete the rotation" }).click();
  await panel.waitFor({ state: "detached" });
  assert.deepEqual([await server.status(first), await server.status(second)], [401, 200]);

  // Switched off and on.
  await press("Deactivate");
  await dialog.getByRole("button", { name: "Deactivate" }).click();
  await main.getByText("The key is deactivated: every use is refused.").waitFor();
  assert.equal(await server.status(second), 401);
  await press("Activate");
  await dialog.getByRole("button", { name: "Activate" }).click();
  await main.getByRole("button", { name: "Deactivate", exact: true }).waitFor();
  assert.equal(await server.status(second), 200);

  // Revoked, after its name was typed.
  await press("Revoke");
  const revoke = dialog.getByRole("button", { name: "Revoke for good" });
  await dialog.getByLabel("Type the name of the key").fill("nightly backup");
  assert.ok(await revoke.isDisabled());
  await dialog.getByLabel("Type the name of the key").fill("Nightly backup");
  await revoke.click();
  await page.getByRole("heading", { name: "Keys", level: 1 }).waitFor();
  assert.equal(await server.status(second), 401);
  await page.goBack();
  await main.getByText("There is no key with this number here.").waitFor();

  // The audit log has all of it.
  await page.getByRole("link", { name: "Audit log" }).click();
  await main.getByText("Revoked the key Nightly backup").waitFor();
  const { auditLogs } = await server.call("GET", "v2/organization/audit-logs");
  const actions = auditLogs.filter(({ resource }) => resource === "api_key/2").map(({ action }) => action.replace("api_key.", ""));
  assert.deepEqual(actions, ["revoked", "updated", "updated", "rotation_completed", "rotated", "updated", "created"]);
}));

test("the key that is signed in can be rotated at once, and the session goes on with its new value", inBrowser(async ({ server, page }) => {
  await signIn(page, server, server.key, { remember: true, at: "#/keys/1" });
  const dialog = page.getByRole("dialog");
  await page.getByRole("main").getByRole("button", { name: "Rotate", exact: true }).click();
  await dialog.getByText("You are signed in with this key.").waitFor();
  await dialog.getByRole("radio", { name: "Not at all" }).check();
  await dialog.getByRole("button", { name: "Rotate", exact: true }).click();
  const value = await dialog.getByLabel("Value of the key").innerText();
  await dialog.getByRole("button", { name: "I have saved it" }).click();
  assert.deepEqual([await server.status(server.key), await server.status(value)], [401, 200]);
  await page.getByRole("link", { name: "Projects", exact: true }).click();
  await page.getByRole("heading", { name: "Projects", level: 1 }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Projects", level: 1 }).waitFor();
}));

test("a project is created with its first key, renamed and deleted with its keys", inBrowser(async ({ server, page }) => {
  const dialog = page.getByRole("dialog");
  const main = page.getByRole("main");
  await signIn(page, server, server.key, { at: "#/projects" });
  await page.getByRole("heading", { name: "Projects", level: 1 }).waitFor();
  await page.keyboard.press("n");
  await dialog.getByLabel("Name").fill("Web shop");
  await dialog.getByRole("button", { name: /^Create/ }).click();
  const value = await dialog.getByLabel("Value of the key").innerText();
  assert.match(value, /^confident_proj_[0-9a-f]{32}$/);
  await dialog.getByRole("button", { name: "I have saved it" }).click();
  await page.getByRole("heading", { name: "Web shop", level: 1 }).waitFor();
  await main.getByRole("link", { name: "Default key" }).waitFor();
  await page.keyboard.press("n");
  await dialog.getByLabel("Name").fill("Customer 17");
  await dialog.getByRole("button", { name: "Create key" }).click();
  const customer = await dialog.getByLabel("Value of the key").innerText();
  await dialog.getByRole("button", { name: "I have saved it" }).click();
  await page.getByRole("heading", { name: "Customer 17", level: 1 }).waitFor();
  await page.getByRole("link", { name: "Web shop" }).click();
  await main.getByRole("button", { name: /^Delete/ }).click();
  await dialog.getByLabel(/^Type the name/).fill("Web shop");
  await dialog.getByRole("button", { name: /^Delete/ }).click();
  await page.getByRole("heading", { name: "Projects", level: 1 }).waitFor();
  assert.deepEqual([await server.status(value), await server.status(customer)], [401, 401]);
}));

test("the audit log is exported as a file", inBrowser(async ({ server, page }) => {
  await signIn(page, server, server.key, { at: "#/audit" });
  await page.getByRole("main").getByRole("button", { name: "Export" }).click();
  const download = page.waitForEvent("download");
  await page.getByRole("dialog").getByRole("button", { name: /^(Export|Download)/ }).click();
  assert.match((await download).suggestedFilename(), /\.csv\.gz$/);
}));

test("everything goes by the keyboard: create, close, search, open", inBrowser(async ({ server, page }) => {
  for (const name of ["Alpha", "Beta", "Gamma"]) await server.createKey({ name, role: "none" });
  await signIn(page, server, server.key, { at: "#/keys" });
  await page.getByRole("link", { name: "Gamma" }).waitFor();
  await page.keyboard.press("n");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("/");
  await page.keyboard.type("a");
  await page.getByText("3 keys with these filters").waitFor();
  await page.getByRole("link", { name: "Gamma" }).focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Beta", level: 1 }).waitFor();
  assert.match(page.url(), /#\/keys\/3$/);
}));

test("over plain HTTP from another machine, where the browser permits less, keys are created all the same", inBrowser(async ({ server, page }) => {
  await page.goto(`${server.remoteUrl}/console/`);
  await page.getByText("This page came over plain HTTP").waitFor();
  await signIn(page, server, server.key, { at: "#/keys", url: server.remoteUrl });
  await page.getByRole("main").getByRole("button", { name: /New key/ }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Far away");
  await dialog.getByRole("button", { name: "Create key" }).click();
  const value = await dialog.getByLabel("Value of the key").innerText();
  await dialog.getByRole("button", { name: "Copy value" }).click();
  await page.getByText("Select the text and copy it.").waitFor();
  assert.equal(await server.status(value), 200);
}));
