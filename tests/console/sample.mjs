// Sample data: keys in every state, projects, uses over a month; and texts that try to break the page.
import { DAY_MS } from "./harness.mjs";

export const MARKUP = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
export const RIGHT_TO_LEFT = "שלום עולם (17)";
// Marks of direction: the server refuses them today, and a store from before may have them.
export const MARKS = "\u202e\u2067\u200fgnp.exe";
export const LONG = "w".repeat(255);

const OTHERS = [
  ["Search indexer", "platform team", "verifier", 180],
  ["Invoice mailer", "billing", "none", 90],
  ["Support desk", "support team", "verifier", 365],
  ["Grafana", "platform team", "auditor", null],
  ["Terraform", "platform team", "manager", 60],
];

/** Fills the server. Returns what was made. */
export async function fill(server) {
  const key = (fields) => server.createKey({ role: "verifier", ...fields });
  const project = async (name, description) => (await server.call("POST", "v2/projects", { name, description })).project;
  const made = { shop: await project("Web shop", "The public shop and its API."), reports: await project("Reports", null) };
  for (const [name, owner, role, expiresInDays] of OTHERS) await key({ name, owner, role, expiresInDays });
  Object.assign(made, {
    deploy: await key({ name: "CI deploy", owner: "ana@example.com", permissions: ["deploy:*", "artifacts:read"], expiresInDays: 365 }),
    ending: await key({ name: "Nightly backup", owner: "bo@example.com", expiresInDays: 50 }),
    ended: await key({ name: "Load test", expiresInDays: 10, role: "none" }),
    limited: await key({ name: "Partner Nordwind", role: "none", rateLimit: { limit: 100, windowInSeconds: 60 }, allowedAddresses: ["127.0.0.0/8", "10.0.0.0/8"] }),
    off: await key({ name: "Old laptop", role: "manager", owner: "ana@example.com" }),
    ana: await key({ name: "Ana", role: "manager", owner: "ana@example.com" }),
    customer: await server.createKey({ name: "Customer 17", role: "none", owner: "customer 17", permissions: ["orders:read"] }, made.shop.id),
  });
  await server.call("PUT", `v2/organization/api-keys/${made.off.id}`, { valid: false, reason: "The laptop was stolen." });
  for (let day = 0; day < 30; day++) {
    const uses = [
      ...Array.from({ length: 3 + ((day * 7) % 11) }, () => ({ value: made.deploy.value })),
      ...Array.from({ length: 2 + (day % 4) }, () => ({ value: made.customer.value, permissions: [day % 5 ? "orders:read" : "orders:write"] })),
      { value: made.off.value },
      { value: made.ended.value },
    ];
    await server.call("POST", "v2/verify/batch", { keys: uses });
    await server.advance(DAY_MS);
  }
  await server.call("POST", "v2/verify", { value: made.ana.value });
  made.rotating = await server.call("POST", `v2/organization/api-keys/${made.deploy.id}/rotate`, { gracePeriodInHours: 72 });
  await server.call("PUT", `v2/organization/api-keys/${made.deploy.id}`, { permissions: ["deploy:staging"], reason: "Only staging from now on." });
  return made;
}

/** Adds keys whose texts try to break the page. */
export async function fillHostile(server) {
  const key = (text, metadata) => server.createKey({ name: text, owner: text, role: "none", metadata });
  return {
    markup: await key(MARKUP, { [MARKUP]: MARKUP, plan: "basic" }),
    rightToLeft: await key(RIGHT_TO_LEFT),
    long: await key(LONG, { note: LONG }),
  };
}
