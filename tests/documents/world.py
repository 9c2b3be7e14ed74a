"""A store, its server and the commands that the pages use, for the shell blocks of one page."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from datetime import date
from pathlib import Path

from pages import TOP

KEYSTEAD = Path(os.environ.get("KEYSTEAD", "keystead"))
BLOCK_TIMEOUT_S = 60
FULL_KEY = re.compile(r"\bconfident_(org|proj)_[0-9a-f]{32}\b")
# Paths of the pages, which lie in the page's own folder here.
PATHS = ["/var/lib/keystead", "/run/keystead", "/mnt/backups", "/mnt/replica", "/etc/keystead", "/srv", "/etc"]

# Stand-ins for programs that a test cannot use: `sudo -u USER COMMAND`, `ssh HOST COMMAND`, and `systemctl` for the server.
STAND_INS = {
    "keystead": 'exec "$KEYSTEAD" "$@"',
    "sudo": '[ "$1" != -u ] || shift 2; exec "$@"',
    # There is no older version here: the page's steps are run with this one.
    "dpkg": "true",
    "ssh": 'shift; exec sh -c "$*"',
    "systemctl": """case $1 in
    stop) while kill "$(cat "$WORLD/pid")" 2>/dev/null; do sleep 0.02; done ;;
    start) cd "$STORE"; "$KEYSTEAD" serve >>"$WORLD/log" 2>&1 & echo $! >"$WORLD/pid"
        until "$KEYSTEAD" healthcheck >/dev/null 2>&1; do kill -0 "$(cat "$WORLD/pid")"; sleep 0.02; done ;;
esac""",
}


def free_address() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


class World:
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="keystead-documents-"))
        self.store = self.folder / "var/lib/keystead"
        programs = self.folder / "bin"
        for folder in [programs, *(self.folder / path[1:] for path in PATHS)]:
            folder.mkdir(parents=True, exist_ok=True)
        for name, script in STAND_INS.items():
            (programs / name).write_text(f"#!/bin/bash\nset -e\n{script}\n")
            (programs / name).chmod(0o755)
        self.address = free_address()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KEYSTEAD")}
        self.environment = environment | {
            "PATH": f"{programs}:{environment['PATH']}",
            "HOME": str(self.folder),
            "KEYSTEAD": str(KEYSTEAD),
            "WORLD": str(self.folder),
            "STORE": str(self.store),
            "KEYSTEAD_SERVER_LISTEN": self.address,
            "KEYSTEAD_METRICS_LISTEN": "off",
            "KEYSTEAD_STORE_PATH": str(self.store / "keystead.db"),
            "KEYSTEAD_DEV_CLOCK": "true",
        }
        (self.folder / "etc/keystead/config.toml").touch()
        self.cwd = self.store
        self.values: dict[str, str] = {}

    def start(self) -> None:
        """Sets the store up and starts its server."""
        key_file = self.folder / "key"
        self.run(f"keystead init --organization Acme --key-file {key_file}; systemctl start keystead")
        # The folder is also the repository of the pages that use git.
        self.run(f"git init -q .; ln -s {TOP}/contrib .")
        self.environment["KEY"] = self.key = key_file.read_text().strip()
        self.values = {"confident_org_…": self.key, "org_…": self._organization()}

    def _organization(self) -> str:
        return json.loads(self.run("keystead organizations list --json"))["id"]

    def add_project(self) -> None:
        """The project and key that pages other than the first ones assume: "Web shop", and its key 2."""
        self.run('keystead projects create "Web shop"')

    def resolve(self, text: str) -> str:
        """A page's text with real keys, ids and paths instead of its placeholders."""
        if "signature 3a51…" in text:
            signed = self.run('KEYSTEAD_AUDIT_SIGNING_KEY="$PWD/audit.pem" keystead audit head').strip()
            text = text.replace("1042:9f0c… signature 3a51…", signed)
        text = text.replace("keystead-2026-11-24.db", f"keystead-{date.today()}.db")
        for replaced in self.store.glob("keystead.db-replaced-*"):
            text = text.replace("keystead.db-replaced-20261124T031500Z", replaced.name)
        head = self.run("keystead audit head").split()[0]
        text = re.sub(r"\d+:[0-9a-f]{4}…", head, text.replace("127.0.0.1:8080", self.address))
        projects = [json.loads(line) for line in self.run("keystead projects list --json").splitlines()]
        values = self.values | ({"proj_…": projects[0]["id"]} if projects else {})
        for placeholder, value in sorted(values.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(placeholder, value)
        return re.sub(rf"(?<![\w.])({'|'.join(PATHS)})(?![\w.])", rf"{self.folder}\1", text)

    def run(self, script: str, cwd: Path | None = None) -> str:
        """Standard output of a script that succeeds. Its folder and its variables are there for the next one, too."""
        after = self.folder / "after"
        store = {} if cwd is None else {"KEYSTEAD_STORE_PATH": str(cwd / "keystead.db")}
        script = f"set -aeo pipefail\n{script}\n(pwd; env -0) >{after}"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=cwd or self.cwd,
            env=self.environment | store,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=BLOCK_TIMEOUT_S,
        )
        if done.returncode != 0:
            raise AssertionError(f"it ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        if cwd is None:
            folder, environment = after.read_text().split("\n", 1)
            self.cwd = Path(folder)
            self.environment = dict(pair.split("=", 1) for pair in environment.split("\0") if "=" in pair)
        for key in FULL_KEY.finditer(done.stdout):
            if cwd is None:
                self.values[f"confident_{key[1]}_…"] = key[0]
        return done.stdout

    def serve(self, text: str) -> None:
        """Runs a server, the first line, and the other lines once it listens. Its address and its store are its own."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            text = text.replace(self.address, free_address()).replace(str(self.store), folder)
            command, _, others = text.partition("\n")
            output = Path(folder) / "output"
            with output.open("wb") as file:
                server = subprocess.Popen(
                    ["bash", "-c", f"exec {command}"], cwd=folder, env=self.environment, stdout=file, stderr=file
                )
            try:
                deadline = time.monotonic() + BLOCK_TIMEOUT_S
                while "Keystead is listening" not in output.read_text():
                    assert server.poll() is None and time.monotonic() < deadline, f"it ends:\n{output.read_text()}"
                    time.sleep(0.02)
                self.run(others, Path(folder))
            finally:
                server.terminate()
                server.wait()

    def end(self) -> None:
        try:
            self.run("systemctl stop keystead")
        finally:
            shutil.rmtree(self.folder)
