// Programs and commands that ask this server from code. The key is read from the environment and is never part of them.

/** @typedef {{ id: string, title: string, about: string, files: { name: string, code: string }[] }} Snippet */

/** The address of this server, also where a proxy serves everything below a path of its own. Without a slash at its end. */
export function serverAddress() {
  const { origin, pathname } = new URL("..", document.baseURI);
  return `${origin}${pathname}`.replace(/\/$/, "");
}

/** Puts the key of the asking service into the environment; it does not get into the history of the shell. */
export const SET_KEY = `read -rs KEYSTEAD_KEY    # paste the key and press Enter
export KEYSTEAD_KEY`;

/**
 * How a service asks whether a key is valid.
 * @param {string} address of this server
 * @returns {Snippet[]}
 */
export function verifySnippets(address) {
  return [
    { id: "curl", title: "curl", about: "Asks about one key. The client’s address is needed for keys that are limited to addresses; the permissions are those that this request needs. Both may be left out.", files: [{ name: "Shell", code: curlVerify(address) }] },
    { id: "python", title: "Python", about: "Needs only the standard library.", files: [{ name: "verify.py", code: pythonVerify(address) }] },
    { id: "node", title: "Node", about: "Needs Node 20 or newer and no package.", files: [{ name: "verify.mjs", code: nodeVerify(address) }] },
    { id: "go", title: "Go", about: "Needs only the standard library.", files: [{ name: "main.go", code: goVerify(address) }] },
  ];
}

/**
 * How a program creates and revokes keys.
 * @param {string} address of this server
 * @returns {Snippet[]}
 */
export function manageSnippets(address) {
  return [
    {
      id: "client",
      title: "Python client",
      about: "The published client of Confident AI’s hosted service works with this server.",
      files: [
        { name: "Shell", code: "pip install confidentai==0.2.1" },
        { name: "keys.py", code: pythonClient(address) },
      ],
    },
    { id: "manage-curl", title: "curl", about: "The answer to the first command shows the value of the new key, once.", files: [{ name: "Shell", code: curlManage(address) }] },
  ];
}

const curlVerify = (/** @type {string} */ address) => `curl -X POST "${address}/v2/verify" \\
  -H "X-API-Key: $KEYSTEAD_KEY" -H "Content-Type: application/json" \\
  -d '{"value": "THE_CLIENTS_KEY", "address": "192.0.2.17", "permissions": ["invoices:read"]}'`;

const pythonVerify = (/** @type {string} */ address) => `import json
import os
import urllib.request

VERIFY = "${address}/v2/verify"
KEYSTEAD_KEY = os.environ["KEYSTEAD_KEY"]  # the key of this service


def verify(value, address=None, permissions=()):
    """What Keystead knows about a client's key. An error means that it could not be asked: refuse the client then."""
    question = {"value": value, "permissions": list(permissions)}
    if address:
        question["address"] = address
    headers = {"Content-Type": "application/json", "X-API-Key": KEYSTEAD_KEY}
    request = urllib.request.Request(VERIFY, json.dumps(question).encode(), headers)
    with urllib.request.urlopen(request, timeout=2) as answer:
        return json.load(answer)["data"]


verdict = verify("THE_CLIENTS_KEY", address="192.0.2.7")
if verdict["code"] == "VALID":
    print("Let it pass:", verdict["apiKey"]["name"])
else:
    print("Refuse it:", verdict["code"])
`;

const nodeVerify = (/** @type {string} */ address) => `const VERIFY = "${address}/v2/verify";
const { KEYSTEAD_KEY } = process.env; // the key of this service

// What Keystead knows about a client's key. An error means that it could not be asked: refuse the client then.
async function verify(value, address, permissions = []) {
  const answer = await fetch(VERIFY, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-API-Key": KEYSTEAD_KEY },
    body: JSON.stringify({ value, address, permissions }),
    signal: AbortSignal.timeout(2000),
  });
  if (!answer.ok) throw new Error(\`Keystead answers \${answer.status}\`);
  return (await answer.json()).data;
}

const verdict = await verify("THE_CLIENTS_KEY", "192.0.2.7");
if (verdict.code === "VALID") console.log("Let it pass:", verdict.apiKey.name);
else console.log("Refuse it:", verdict.code);
`;

const goVerify = (/** @type {string} */ address) => `package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
)

const verifyURL = "${address}/v2/verify"

var (
	keysteadKey = os.Getenv("KEYSTEAD_KEY") // the key of this service
	client      = &http.Client{Timeout: 2 * time.Second}
)

// Verdict is what Keystead knows about a client's key.
type Verdict struct {
	Code   string
	APIKey *struct{ Name string }
}

// verify asks Keystead. An error means that it could not be asked: refuse the client then.
func verify(value, address string, permissions ...string) (verdict Verdict, err error) {
	question, _ := json.Marshal(map[string]any{"value": value, "address": address, "permissions": permissions})
	request, err := http.NewRequest("POST", verifyURL, bytes.NewReader(question))
	if err != nil {
		return
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-API-Key", keysteadKey)
	answer, err := client.Do(request)
	if err != nil {
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return verdict, fmt.Errorf("Keystead answers %d", answer.StatusCode)
	}
	err = json.NewDecoder(answer.Body).Decode(&struct{ Data *Verdict }{&verdict})
	return
}

func main() {
	verdict, err := verify("THE_CLIENTS_KEY", "192.0.2.7")
	if err != nil {
		log.Fatal(err)
	}
	if verdict.Code == "VALID" {
		fmt.Println("Let it pass:", verdict.APIKey.Name)
	} else {
		fmt.Println("Refuse it:", verdict.Code)
	}
}
`;

const pythonClient = (/** @type {string} */ address) => `import os

from confidentai import ConfidentAI

client = ConfidentAI(api_key=os.environ["KEYSTEAD_KEY"], base_url="${address}")
print(client.whoami())

key = client.organization.create_api_key("CI/CD key", expires_in_days=90)
client.organization.delete_api_key(key.id)
`;

const curlManage = (/** @type {string} */ address) => `# Create a key. Its number is the "id" in the answer.
curl -X POST "${address}/v2/organization/api-keys" \\
  -H "X-API-Key: $KEYSTEAD_KEY" -H "Content-Type: application/json" \\
  -d '{"name": "Customer 17", "role": "none", "expiresInDays": 90}'

# Revoke it.
curl -X DELETE "${address}/v2/organization/api-keys/NUMBER" -H "X-API-Key: $KEYSTEAD_KEY"`;
