"""The real server, on a store and a port of its own."""

import os
import signal
import subprocess
from pathlib import Path

ANNOUNCEMENT = "Keystead is listening on "
# More than the server gives requests in flight to finish.
STOP_TIMEOUT_S = 30


class Server:
    def __init__(self, folder: Path, listen: str = "127.0.0.1:0", **settings: str) -> None:
        self._folder = folder
        self._listen = listen
        self._settings = settings
        self.start()

    def start(self) -> None:
        """Returns once the server listens. It has its defaults and the given settings alone, but no listener for its
        metrics, which only one server can have: the folder holds no configuration file, and settings in the environment
        are not handed on."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KEYSTEAD")}
        self._process = subprocess.Popen(
            [os.environ["KEYSTEAD"], "--listen", self._listen, "--store", self._folder / "keystead.db"],
            cwd=self._folder,
            env=environment | {"KEYSTEAD_METRICS_LISTEN": "off"} | self._settings,
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self._process.stdout.readline()
        if not line.startswith(ANNOUNCEMENT):
            self.end()
            raise AssertionError(f"the server did not start, it said {line!r}")
        self.url = line.removeprefix(ANNOUNCEMENT).rstrip()

    def stop(self) -> None:
        """Stops the server as an operator would, and wants a clean end."""
        self._process.send_signal(signal.SIGTERM)
        try:
            assert self._process.wait(STOP_TIMEOUT_S) == 0
        finally:
            self.end()

    @property
    def first_key(self) -> str:
        return (self._folder / "first-key").read_text().strip()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> None:
        """Leaves no process behind, whatever happened before."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
