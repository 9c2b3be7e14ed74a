"""A server in the foreground, and what a client asks of it."""

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

ANNOUNCEMENT = "Keystead is listening on "


class Served:
    """Runs from entering to leaving; leaving stops it as systemd and docker do, and wants a clean end."""

    def __init__(self, command, environment, **options):
        self._begin = lambda: subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True, **options
        )

    def __enter__(self):
        self._process = self._begin()
        line = self._process.stdout.readline()
        if not line.startswith(ANNOUNCEMENT):
            self._process.kill()
            raise AssertionError(f"the server did not start, it said {line!r}")
        self.url = line.removeprefix(ANNOUNCEMENT).rstrip()
        return self

    def __exit__(self, *failure):
        try:
            # Where something else runs the server, the signal is the server's all the same.
            number = self._process.pid
            children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
            for process in children or [number]:
                os.kill(int(process), signal.SIGTERM)
            ended = self._process.wait(30)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
        assert failure != (None, None, None) or ended == 0

    def ask(self, method, path, key, body=None):
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-API-Key": key, "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refusal:
            return refusal.code

    def mint(self, key):
        return self.ask("POST", "/v1/organization/api-keys", key, {"name": "Minted"})["apiKey"]["value"]

    def verdict(self, key, value):
        return self.ask("POST", "/v2/verify", key, {"value": value})["code"]
