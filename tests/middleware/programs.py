"""The programs in the guide: taken out of it, built, and run as its reader would run them."""

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable

import httpx

ROOT = Path(__file__).parent.parent.parent
GUIDE = ROOT / "docs" / "middleware.md"
# Below here, each has the folder that run prepared.
PROGRAMS = Path(os.environ["PROGRAMS"])
START_TIMEOUT_S = 30


def block(language: str) -> str:
    """The one block of this language in the guide."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    return found


def instead(text: str, was: str, now: str) -> str:
    """What is not there exactly once would silently not be replaced."""
    assert text.count(was) == 1, f"the guide's program has {was!r} {text.count(was)} times"
    return text.replace(was, now)


def built(folder: str, *command: str) -> None:
    done = subprocess.run(command, cwd=PROGRAMS / folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}"


# Each writes the program, to listen on another address, and returns the command that runs it. If it asks for a permission,
# it has another name, too.
def fastapi(host: str, port: int, permission: str | None = None) -> list:
    program = instead(block("python"), 'host="127.0.0.1", port=3000', f'host="{host}", port={port}')
    if permission is not None:
        program = instead(program, "Security(caller, scopes=[])", f'Security(caller, scopes=["{permission}"])')
    path = PROGRAMS / "python" / f"{named(permission)}.py"
    path.write_text(program)
    return ["python", path]


def express(host: str, port: int, permission: str | None = None) -> list:
    program = instead(block("js"), 'listen(3000, "127.0.0.1")', f'listen({port}, "{host}")')
    if permission is not None:
        program = instead(program, "requireKey()", f'requireKey("{permission}")')
    path = PROGRAMS / "express" / f"{named(permission)}.mjs"
    path.write_text(program)
    return ["node", path]


def net_http(host: str, port: int, permission: str | None = None) -> list:
    program = instead(block("go"), "127.0.0.1:3000", f"{host}:{port}")
    if permission is not None:
        program = instead(program, "requireKey(mux)", f'requireKey(mux, "{permission}")')
    (PROGRAMS / "go" / "main.go").write_text(program)
    built("go", "go", "vet", "main.go")
    built("go", "go", "build", "-o", named(permission), "main.go")
    return [PROGRAMS / "go" / named(permission)]


def named(permission: str | None) -> str:
    return "app" if permission is None else "asking"


def axum(host: str, port: int, permission: str | None = None) -> list:
    assert (ROOT / "tests/middleware/axum/Cargo.toml").read_text().endswith(block("toml")), "the guide's dependencies"
    program = instead(block("rust"), "127.0.0.1:3000", f"{host}:{port}")
    if permission is not None:
        program = instead(program, "permissions: &[]", f'permissions: &["{permission}"]')
    (PROGRAMS / "axum" / "src" / "main.rs").write_text(program)
    built("axum", "cargo", "build", "--locked", "--quiet")
    path = PROGRAMS / "axum" / named(permission)
    shutil.copy(Path(os.environ["CARGO_TARGET_DIR"]) / "debug" / "middleware", path)
    return [path]


ALL: dict[str, Callable[..., list]] = {
    "fastapi": fastapi,
    "express": express,
    "net_http": net_http,
    "axum": axum,
}


def own_address(number: int) -> tuple[str, int]:
    """A loopback address that nothing else listens on, so that a server can come back to it."""
    host = f"127.{128 + os.getpid() % 64}.{os.getpid() // 64 % 256}.{number}"
    with socket.socket() as listener:
        listener.bind((host, 0))
        return host, listener.getsockname()[1]


class Program:
    """A service in the foreground. Ended by its own process id."""

    def __init__(self, command: list, url: str, log: Path, keystead: str, key: str | None) -> None:
        self.url = url
        self._log = log
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KEYSTEAD")}
        environment["KEYSTEAD_URL"] = keystead
        if key is not None:
            environment["KEYSTEAD_KEY"] = key
        with log.open("wb") as file:
            self._process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        self._wait()

    def _wait(self) -> None:
        """Until it listens."""
        address = self.url.removeprefix("http://").rstrip("/").split(":")
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                socket.create_connection((address[0], int(address[1])), timeout=1).close()
                return
            except OSError:
                has_ended = self._process.poll() is not None
                if has_ended or time.monotonic() > deadline:
                    self.end()
                    raise AssertionError(f"the program does not listen, it said:\n{self.log}") from None
                time.sleep(0.01)

    def get(self, key: str | bytes | None = None, **headers: str) -> httpx.Response:
        if key is not None:
            key = key if isinstance(key, bytes) else key.encode()
            headers |= {"Authorization": b"Bearer " + key}
        return httpx.get(self.url, headers=headers, timeout=30, trust_env=False)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
