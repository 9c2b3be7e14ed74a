"""What Schemathesis cannot make up by itself: things that exist, names that are new, and care for its own key."""

import itertools
import json
import os
import re

import requests
import schemathesis

# The first key of a fresh store has the number 1; it is the one that Schemathesis authenticates with.
OWN_KEY = 1
# A number that no key has.
NO_KEY = 2**40

URL = os.environ["SERVER_URL"]
HEADERS = {"CONFIDENT_API_KEY": os.environ["SERVER_KEY"]}
counter = itertools.count()
UNSEEN = re.compile("[\u200c\u200d\ufe0e\ufe0f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]")
# Every character that may be invisible. A pattern states this for the texts of fields, and none can for those within an object.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Three of four valid requests get numbers and names that lead further than to 404, 409 or 422."""
    is_valid = case.meta is not None and case.meta.generation.mode.is_positive
    # Scenarios use what they made themselves, and look whether what they removed is gone.
    is_scenario = case.meta is not None and case.meta.phase.name.value == "stateful"
    if is_valid and not is_scenario and next(counter) % 4:
        make_it_lead_somewhere(case)
    # Which texts of these characters are a cursor is not for a pattern to say.
    if is_valid and case.path.endswith("/projects") and "cursor" in (case.query or {}):
        case.query["cursor"] = "YQ"
    # Whether one of these is seen depends on what is around it; beyond U+FFFF the pattern says nothing.
    if is_valid and isinstance(case.body, dict):
        for field in ("name", "description", "owner", "reason"):
            if isinstance(case.body.get(field), str):
                case.body[field] = UNSEEN.sub("", case.body[field]).strip() or "A name"
        if INVISIBLE.search(json.dumps(case.body.get("metadata"), ensure_ascii=False)):
            case.body["metadata"] = {"plan": "basic"}
    # Both kinds of keys have one schema, and the keys of projects have fewer roles.
    if is_valid and "/projects/" in case.path and isinstance(case.body, dict):
        if case.body.get("role") in ("admin", "auditor"):
            case.body["role"] = "verifier"
    # An owner in a query follows the rules of the field, which its pattern states only for bodies.
    if is_valid and "owner" in (case.query or {}):
        case.query["owner"] = "An owner"
    # No schema can say that "from" lies before "to", nor how far.
    if is_valid and "/usage" in case.path and case.query:
        case.query.pop("from", None)
        case.query.pop("to", None)
    # No schema can say that a reason stands either in the body or in the query.
    if is_valid and "reason" in (case.query or {}):
        case.query["reason"] = UNSEEN.sub("", case.query["reason"]).strip() or "A reason"
        if isinstance(case.body, dict):
            case.body.pop("reason", None)
    # Reads may have the own key's number; what would switch it off, rotate or revoke it gets another one.
    number = str((case.path_parameters or {}).get("id", ""))
    if case.method.upper() != "GET" and number.isdecimal() and int(number) == OWN_KEY:
        case.path_parameters["id"] = NO_KEY


def make_it_lead_somewhere(case):
    parameters = case.path_parameters or {}
    parent = "organization"
    if "projectId" in parameters:
        project = post("projects", name=f"Project {next(counter)}")["project"]["id"]
        parameters["projectId"] = project
        parent = f"projects/{project}"
    if "id" in parameters:
        keys = f"{parent}/api-keys"
        parameters["id"] = post(keys, name="A key")["id"]
        if case.operation.path.endswith(("/complete", "/cancel")):
            post(f"{keys}/{parameters['id']}/rotate", gracePeriodInHours=1)
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = f"Request {next(counter)}"


def post(path, **body):
    answer = requests.post(f"{URL}/v2/{path}", json=body, headers=HEADERS, timeout=10)
    answer.raise_for_status()
    return answer.json()["data"]
