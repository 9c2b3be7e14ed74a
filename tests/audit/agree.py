"""Whether `keystead audit verify` and verify.py agree, on a whole log and on one that was tampered with."""

import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import verify
from blake3 import blake3
from server import Server

HERE = Path(__file__).parent
COLUMNS = [name for name in verify.FIELDS if name != "number"]
DAY_MS = 24 * 3_600_000
ACTIONS = """store.initialized store.migrated organization.created organization.renamed project.created
    project.updated project.deleted api_key.created api_key.updated api_key.rotated api_key.rotation_completed
    api_key.rotation_cancelled api_key.revoked authentication.failed audit.pruned""".split()
OTHERS = ", ".join([*COLUMNS, "hash"])

# What makes the table take values of any type.
LOOSENED = [
    "PRAGMA writable_schema = ON",
    """UPDATE sqlite_schema SET sql = replace(replace(replace(sql, 'STRICT', ''), 'at              INTEGER', 'at BLOB'),
        'CHECK (length(hash) = 32)', '') WHERE name = 'audit_events'""",
    "PRAGMA writable_schema = RESET",
]


def do_everything(server):
    def ask(method, path, body=None, key=server.first_key):
        headers = {"X-API-Key": key, "Content-Type": "application/json", "X-Request-Id": "request-1"}
        request = urllib.request.Request(
            server.url + path, None if body is None else json.dumps(body).encode(), headers, method=method
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer).get("data")

    ask("PUT", "/v2/organization", {"name": "Schlüsseldienst 'Żółw' \"🔑\""})
    project = ask("POST", "/v2/projects", {"name": "Web shop"})["project"]["id"]
    ask("PUT", f"/v2/projects/{project}", {"description": "What customers see.\n" * 20})
    ask("POST", f"/v2/projects/{project}/api-keys", {"name": "a", "expiresInDays": 9})
    keys = "/v2/organization/api-keys"
    key = f"{keys}/{ask('POST', keys, {'name': 'CI/CD key'})['id']}"
    ask("PUT", key, {"valid": False})
    narrowed = {"rateLimit": {"limit": 5, "windowInSeconds": 60}, "allowedAddresses": ["10.0.0.0/8"]}
    ask("PUT", key, {"valid": True} | narrowed)
    for end in ("complete", "cancel"):
        ask("POST", f"{key}/rotate", {"gracePeriodInHours": 1})
        ask("POST", f"{key}/rotate/{end}", {})
    ask("POST", f"{key}/rotate", {})
    ask("DELETE", key, {"reason": "Laptop \"7\" was stolen, says Żółw 🔑."})
    ask("DELETE", f"/v2/projects/{project}?reason=Sold")
    try:
        ask("GET", keys, key="confident_org_00000000000000000000000000000000")
    except urllib.error.HTTPError as refusal:
        assert refusal.code == 401, refusal


class Log:
    """A stopped store, of which copies are tampered with."""

    def __init__(self, store):
        self.store = store
        with sqlite3.connect(store) as file:
            self.numbers = [number for (number,) in file.execute("SELECT number FROM audit_events ORDER BY number")]
            self.hashes = dict(file.execute("SELECT number, hash FROM audit_events"))
            self.actions = {action for (action,) in file.execute("SELECT action FROM audit_events")}
        self.newest = self.numbers[-1]

    def head(self, number=None):
        number = number or self.newest
        return f"{number}:{self.hashes[number].hex()}"


def rewrite(file, after):
    """Computes the hashes of all later events again, as anyone who can write the file can."""
    file.text_factory = verify.Text
    columns = ", ".join(verify.FIELDS)
    (previous,) = file.execute("SELECT hash FROM audit_events WHERE number = ?", [after]).fetchone() or (bytes(32),)
    events = file.execute(f"SELECT {columns} FROM audit_events WHERE number > ? ORDER BY number", [after]).fetchall()
    for fields in events:
        previous = blake3(previous + verify.canonical(fields)).digest()
        file.execute("UPDATE audit_events SET hash = ? WHERE number = ?", [previous, fields[0]])


class Judge:
    def __init__(self, folder):
        self.copy = folder / "copy.db"
        self.passed = self.failed = 0

    def sql(self, what, log, *statements, wanted, expect=None):
        """Runs statements, or functions of the connection, on a copy."""
        shutil.copyfile(log.store, self.copy)
        file = sqlite3.connect(self.copy, isolation_level=None)
        file.execute("PRAGMA journal_mode = DELETE")
        file.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            statement(file) if callable(statement) else file.execute(statement)
        file.close()
        self.judge(what, wanted, expect)

    def bytes(self, what, log, at, bit):
        """Turns one bit over in a copy."""
        content = bytearray(log.store.read_bytes())
        content[at] ^= 1 << bit
        self.copy.write_bytes(content)
        self.judge(what, None, None)

    def judge(self, what, wanted, expect):
        ours, theirs = self.ours(expect), self.theirs(expect)
        # A file that SQLite finds damaged is as broken as an event that does not fit.
        agree = ours == theirs or (ours[0] == theirs[0] == "broken" and None in (ours[1], theirs[1]))
        if agree and wanted in (None, ours[0], ours[:2]):
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {what}: Keystead says {ours}, verify.py {theirs}, and it should be {wanted or 'the same'}")

    def ours(self, expect):
        command = [os.environ["KEYSTEAD"], "audit", "verify", "--store", self.copy]
        status, text = run(command + (["--expect", expect] if expect else []))
        whole = re.search(r"^(\d+) events, (\d+) to (\d+): all intact\.\n(\d+:[0-9a-f]{64})$", text)
        if whole:
            assert status == 0, text
            return ("whole", *whole.groups())
        assert status == 1, text
        if "The audit log is intact, but" in text:
            return ("another", None)
        broken = re.search(r"The audit log is broken: event (-?\d+) (?:is|was) ", text)
        return ("broken", int(broken[1]) if broken else None)

    def theirs(self, expect):
        status, text = run([sys.executable, HERE / "verify.py", self.copy] + ([expect] if expect else []))
        whole = re.search(r"^whole: (\d+) events, (\d+) to (\d+), head (\d+:[0-9a-f]{64})$", text)
        if whole:
            assert status == 0, text
            return ("whole", *whole.groups())
        assert status == 1, text
        if text.startswith("whole, but"):
            return ("another", None)
        broken = re.search(r"^broken: event (-?\d+):", text)
        assert broken or text.startswith("broken: "), text
        return ("broken", int(broken[1]) if broken else None)


def run(command):
    done = subprocess.run(command, cwd="/", text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return done.returncode, done.stdout.strip()


def tamper(judge, log):
    judge.sql("as it is", log, wanted="whole")
    for number in log.numbers:
        judge.sql(f"as it is, expected to have {number}", log, wanted="whole", expect=log.head(number))
    judge.sql("another head expected", log, wanted="another", expect=f"{log.newest}:{'0' * 64}")
    judge.sql("a later head expected", log, wanted="another", expect=f"{log.newest + 1}:{'0' * 64}")
    for number in random.sample(log.numbers, min(8, len(log.numbers))):
        change(judge, log, number)
    for number in log.numbers[:-1]:
        move(judge, log, number)
    add(judge, log)
    claim_pruning(judge, log)
    for number in log.numbers[1:][-6:]:
        cut_and_rewrite(judge, log, number)
    judge.sql("all gone", log, "DELETE FROM audit_events", wanted="whole")
    judge.sql("all gone, and expected", log, "DELETE FROM audit_events", wanted="another", expect=log.head())


def change(judge, log, number):
    """Each column of one event."""

    def update(what, wanted=("broken", number), before=()):
        statement = f"UPDATE audit_events SET {what} WHERE number = {number}"
        judge.sql(f"{number}: {what}", log, *before, statement, wanted=wanted)

    # Of the note that says where the chain begins, it is not always the note that is found to be wrong.
    is_note = log.numbers[0] > 1 and number == log.newest
    for column in COLUMNS:
        kind, _ = verify.FIELDS[column]
        other = f"coalesce({column} + 1, 7)" if kind is int else f"coalesce({column}, '') || 'x'"
        update(f"{column} = {other}", "broken" if is_note and column in ("action", "change") else ("broken", number))
    # Nothing and an empty value are not the same.
    for column, empty in (("client_address", "''"), ("request_id", "''"), ("project_id", 0), ("actor_key_id", 0)):
        update(f"{column} = iif({column} IS NULL, {empty}, NULL)")
    for value in ("zeroblob(32)", "zeroblob(31)", "x''"):
        update(f"hash = {value}")
    for column in ("change", "actor_name", "user_agent"):
        update(f"{column} = CAST(x'ff' AS TEXT)", "broken")
    update("actor_name = actor_name || substr(action, 1, 1), action = substr(action, 2)", "broken")
    # What looks like the value that was there, and is of another type.
    update("at = CAST(at AS TEXT)", before=LOOSENED)
    update("hash = CAST(hash AS TEXT)", before=LOOSENED)


def move(judge, log, number):
    """An event is removed, exchanged with the next one, or there twice."""
    gone = f"DELETE FROM audit_events WHERE number = {number}"
    judge.sql(f"{number} removed", log, gone, wanted=("broken", number))
    aside = f"UPDATE audit_events SET number = -number WHERE number > {number}"
    closed = [gone, aside, "UPDATE audit_events SET number = -number - 1 WHERE number < 0"]
    judge.sql(f"{number} removed and the gap closed", log, *closed, wanted=("broken", number))
    turns = ((-1, number), (number, number + 1), (number + 1, -1))
    swapped = [f"UPDATE audit_events SET number = {after} WHERE number = {before}" for after, before in turns]
    judge.sql(f"{number} and the next exchanged", log, *swapped, wanted=("broken", number))
    copied = f"INSERT INTO audit_events SELECT {number + 1}, {OTHERS} FROM audit_events WHERE number = {number}"
    added = [aside, "UPDATE audit_events SET number = -number + 1 WHERE number < 0", copied]
    judge.sql(f"{number} twice", log, *added, wanted=("broken", number + 1))


def add(judge, log):
    """Events where there can be none."""
    first, newest = log.numbers[0], log.newest
    for number in sorted({first - 1, 0, -1, -(2**63)}):
        before = f"INSERT INTO audit_events SELECT {number}, {OTHERS} FROM audit_events WHERE number = {first}"
        judge.sql(f"an event {number} before the first", log, before, wanted="broken")
    for number in (newest + 1, newest + 2, 2**63 - 1):
        after = f"INSERT INTO audit_events SELECT {number}, {OTHERS} FROM audit_events WHERE number = {newest}"
        judge.sql(f"an event {number} after the last", log, after, wanted=("broken", newest + 1))
    judge.sql("a table that takes any type, and nothing else", log, *LOOSENED, wanted="whole")


def claim_pruning(judge, log):
    """Events that say that others were pruned, and notes that say nothing."""
    note = "UPDATE audit_events SET action = 'audit.pruned', change = '{1}' WHERE number = {0}"
    for number in log.numbers:
        for through in sorted({number, log.newest, log.numbers[0]}):
            claim = note.format(number, json.dumps({"through": log.head(through)}))
            judge.sql(f"{number} says that all through {through} was pruned", log, claim, wanted="broken")
    links = ["", "x", "1", "1:", f"-1:{'0' * 64}", f"{2**63}:{'0' * 64}", f"1:{'0' * 63}", 7, None]
    for text in ["", "{", "[]", "null", "{}"] + [json.dumps({"through": link}) for link in links]:
        judge.sql(f"pruned: {text!r}", log, note.format(log.newest, text), wanted="broken")


def cut_and_rewrite(judge, log, number):
    """What a chain alone cannot show, and a head that was kept does."""
    cut = f"DELETE FROM audit_events WHERE number >= {number}"
    kept = log.head(number - 1)
    if log.numbers[0] > 1:
        # The note that says where the chain begins goes, too.
        judge.sql(f"cut off from {number} on", log, cut, wanted="broken")
    else:
        judge.sql(f"cut off from {number} on", log, cut, wanted="whole")
        judge.sql(f"cut off from {number} on, and expected", log, cut, wanted="another", expect=log.head())
        judge.sql(f"cut off from {number} on, what is before expected", log, cut, wanted="whole", expect=kept)
    changed = f"UPDATE audit_events SET resource = 'api_key/99' WHERE number = {number}"
    rewritten = [changed, lambda file: rewrite(file, number - 1)]
    judge.sql(f"rewritten from {number} on", log, *rewritten, wanted="whole")
    judge.sql(f"rewritten from {number} on, and expected", log, *rewritten, wanted="another", expect=log.head())
    judge.sql(f"rewritten from {number} on, what is before expected", log, *rewritten, wanted="whole", expect=kept)


def tamper_with_bytes(judge, log, count):
    """On the pages that hold events, and in the events themselves."""
    content = log.store.read_bytes()
    size = int.from_bytes(content[16:18], "big")
    places = [place for hash in log.hashes.values() if (place := content.find(hash)) >= 0]
    pages = sorted({place // size for place in places})
    assert len(places) == len(log.hashes) and pages
    for _ in range(count):
        at = random.choice(places) + random.randrange(-200, 32)
        judge.bytes(f"byte {at}, in or near an event", log, at, random.randrange(8))
        at = random.choice(pages) * size + random.randrange(size)
        judge.bytes(f"byte {at}, on an event's page", log, at, random.randrange(8))


def main():
    seed = int(sys.argv[1]) if sys.argv[1:] else 1
    random.seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        store = folder / "keystead.db"
        # An older store, so that it is migrated.
        with sqlite3.connect(store) as file:
            file.executescript((HERE.parent.parent / "src/store/sqlite/schemas/3.sql").read_text())
        file.close()
        server = Server(folder)
        do_everything(server)
        server.stop()
        log = Log(store)
        judge = Judge(folder)
        print(f"{len(log.numbers)} events, seed {seed}")
        tamper(judge, log)
        tamper_with_bytes(judge, log, 40)

        # The same, all but the end of it done days ago, so that the next start prunes it.
        with sqlite3.connect(store) as file:
            file.execute("UPDATE audit_events SET at = at - ? WHERE number < ?", [3 * DAY_MS, log.newest - 3])
            rewrite(file, 0)
        file.close()
        whole = Log(store)
        Server(folder, KEYSTEAD_AUDIT_RETENTION_DAYS="1").stop()
        pruned = Log(store)
        print(f"{len(pruned.numbers)} events after pruning, from {pruned.numbers[0]} on")
        assert pruned.numbers[0] == log.newest - 3
        missing = set(ACTIONS) - log.actions - pruned.actions
        assert not missing, f"no event was {missing}"
        judge.sql("the last that was pruned", pruned, wanted="whole", expect=whole.head(pruned.numbers[0] - 1))
        judge.sql("one that was pruned", pruned, wanted="another", expect=whole.head(1))
        tamper(judge, pruned)
        tamper_with_bytes(judge, pruned, 20)
    print(f"{judge.passed} passed, {judge.failed} failed")
    return 1 if judge.failed else 0


if __name__ == "__main__":
    sys.exit(main())
