"""Keystead, and a service in front of which the guide's middleware stands."""

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import httpx
import pytest
from programs import ALL, Program, own_address
from server import Server


@dataclass
class Setup:
    """Keystead, the service with a key of a project of its own, and what the tests need of both."""

    keystead: Server
    service: Program
    # Where the keys of a project for clients are.
    client_keys: str
    # Every key that was made or presented.
    keys: list[str]

    def mint(self, name: str, **restrictions) -> tuple[int, str]:
        """A new key of the project for clients: its number and its value."""
        made = self.ask("POST", self.client_keys, {"name": name, **restrictions})
        self.keys.append(made["value"])
        return made["id"], made["value"]

    def ask(self, method: str, path: str, body: dict | None = None) -> dict:
        """What the organization's first key is answered."""
        return ask(self.keystead, method, path, body)


def ask(keystead: Server, method: str, path: str, body: dict | None = None) -> dict:
    headers = {"X-API-Key": keystead.first_key, "Content-Type": "application/json"}
    content = None if body is None else json.dumps(body)
    answer = httpx.request(method, keystead.url + path, headers=headers, content=content, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


@pytest.fixture(scope="session", params=ALL)
def command(request) -> tuple[list, str]:
    """A program out of the guide, built once: the command that runs it, and where it then listens."""
    host, port = own_address(1 + list(ALL).index(request.param))
    return ALL[request.param](host, port), f"http://{host}:{port}/"


@pytest.fixture(scope="session", params=ALL)
def asking_command(request) -> tuple[list, str]:
    """The same for a program that asks for the permission `orders:read`."""
    host, port = own_address(11 + list(ALL).index(request.param))
    return ALL[request.param](host, port, "orders:read"), f"http://{host}:{port}/"


@pytest.fixture
def setup(command, tmp_path: Path) -> Iterator[Setup]:
    with running(command, tmp_path) as setup:
        yield setup


@pytest.fixture
def asking_setup(asking_command, tmp_path: Path) -> Iterator[Setup]:
    with running(asking_command, tmp_path) as setup:
        yield setup


@contextmanager
def running(command: tuple[list, str], tmp_path: Path) -> Iterator[Setup]:
    host, port = own_address(100)
    keystead = Server(tmp_path, listen=f"{host}:{port}")
    try:
        service_key = ask(keystead, "POST", "/v2/projects", {"name": "Service"})["apiKey"]["value"]
        clients = ask(keystead, "POST", "/v2/projects", {"name": "Clients"})["project"]["id"]
        program, url = command
        service = Program(program, url, tmp_path / "service.log", keystead.url, service_key)
        setup = Setup(keystead, service, f"/v2/projects/{clients}/api-keys", [service_key, keystead.first_key])
        try:
            yield setup
        finally:
            setup.service.end()
        for key in setup.keys:
            assert key not in setup.service.log, "a key is in the service's log"
    finally:
        keystead.end()
