// Draws the pictures of the console for README.md and docs/: `tests/console/run --pictures`.
import { open, Server, signIn } from "./harness.mjs";
import { fill } from "./sample.mjs";
import { chromium } from "playwright-core";

const folder = process.argv[2];
const server = await Server.start({ KEYSTEAD_SETUP_ORGANIZATION: "Acme" });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu", "--no-proxy-server"] });
try {
  const made = await fill(server);
  await draw("console-keys", "light", "#/keys");
  await draw("console-overview", "dark", "#/overview");
  await draw("console-rotation", "light", `#/keys/${made.deploy.id}`);
  await draw("console-audit", "light", "#/audit");
} finally {
  await browser.close();
  await server.remove();
}

async function draw(name, colorScheme, hash) {
  const page = await open(browser, server, { viewport: { width: 1200, height: 750 }, colorScheme, reducedMotion: "reduce", deviceScaleFactor: 1.5 });
  await signIn(page, server, server.key, { at: hash });
  await page.locator("h1").waitFor();
  await page.locator(".skeleton").first().waitFor({ state: "detached" });
  await page.locator("h1").blur();
  await page.mouse.move(1190, 740);
  await page.screenshot({ path: `${folder}/${name}.png` });
  await page.close();
}
