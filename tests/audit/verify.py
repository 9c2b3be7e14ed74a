#!/usr/bin/env python3
"""Checks a store's audit log without Keystead, by docs/audit.md alone: verify.py FILE [NUMBER:HASH]"""

import json
import os
import re
import sqlite3
import sys
import urllib.parse

from blake3 import blake3

LINK = re.compile(r"(0|[1-9][0-9]*):([0-9a-f]{64})")


class Text(bytes):
    """A column of the type TEXT as the bytes that it is; one of the type BLOB comes as plain bytes."""


# The fields of the canonical form, and whether they may be null.
FIELDS = {
    "number": (int, False),
    "at": (int, False),
    "organization_id": (int, True),
    "project_id": (int, True),
    "actor_key_id": (int, True),
    "actor_name": (Text, False),
    "action": (Text, False),
    "resource": (Text, False),
    "change": (Text, False),
    "client_address": (Text, True),
    "user_agent": (Text, True),
    "request_id": (Text, True),
}


def main(file, expected=None):
    # Without a log beside it nobody has the file open, and nothing need be written there to read it.
    how = "mode=ro" if os.path.exists(file + "-wal") else "immutable=1"
    connection = sqlite3.connect(f"file:{urllib.parse.quote(file)}?{how}", uri=True)
    connection.text_factory = Text
    connection.execute("BEGIN")
    begin = number, previous = start(connection)
    links = {number: previous.hex()}
    for *fields, found in connection.execute(f"SELECT {', '.join(FIELDS)}, hash FROM audit_events ORDER BY number"):
        if fields[0] != number + 1:
            return f"broken: event {number + 1}: event {fields[0]} comes in its place"
        number += 1
        form = canonical(fields)
        if form is None or type(found) is not bytes or blake3(previous + form).digest() != found:
            return f"broken: event {number}: it is not as it was written"
        previous = found
        if expected and number == int(expected.split(":")[0]):
            links[number] = found.hex()
    if expected:
        wanted, digits = expected.split(":")
        if links.get(int(wanted)) != digits:
            return f"whole, but not the expected one: {begin[0] + 1} to {number}, head {number}:{previous.hex()}"
    return f"whole: {number - begin[0]} events, {begin[0] + 1} to {number}, head {number}:{previous.hex()}"


def start(connection):
    """The number and hash that the first event follows."""
    if connection.execute("SELECT 1 FROM audit_events WHERE number = 1").fetchone():
        return 0, bytes(32)
    newest = "SELECT change FROM audit_events WHERE action = 'audit.pruned' ORDER BY number DESC LIMIT 1"
    for (change,) in connection.execute(newest):
        number, digits = LINK.fullmatch(json.loads(change)["through"]).groups()
        return int(number), bytes.fromhex(digits)
    return 0, bytes(32)


def canonical(fields):
    form = b"keystead audit event 1\n"
    for value, (kind, may_be_null) in zip(fields, FIELDS.values()):
        if value is None and may_be_null:
            form += b"\x00"
        elif type(value) is kind:
            text = b"%d" % value if kind is int else value
            form += b"\x01" + len(text).to_bytes(4, "little") + text
        else:
            return None
    return form


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or not all(LINK.fullmatch(link) for link in sys.argv[2:]):
        sys.exit(__doc__)  # with the status 1, as for whatever is not whole
    try:
        verdict = main(*sys.argv[1:])
    except (sqlite3.Error, ValueError, KeyError, TypeError, AttributeError) as error:
        verdict = f"broken: what is there cannot be read: {error}"
    print(verdict)
    sys.exit(0 if verdict.startswith("whole:") else 1)
