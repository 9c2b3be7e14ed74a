"""Published OAuth libraries, unmodified, ask Keystead about tokens by RFC 7662."""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Iterator

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc6749 import JsonRequest, ResourceProtector
from authlib.oauth2.rfc6750 import InsufficientScopeError, InvalidTokenError
from authlib.oauth2.rfc7662 import IntrospectTokenValidator
from server import Server

SUITE = Path(__file__).parent
MODULES = Path(os.environ["MODULES"])
UNKNOWN = "confident_org_" + "0" * 32


class Keystead:
    """The server, and the organization's first key."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.endpoint = f"{server.url}/oauth2/introspect"
        self.verifier = self.mint("resource server", role="verifier")["value"]

    def ask(self, method: str, path: str, body: dict | None = None) -> dict:
        answer = requests.request(
            method, self.server.url + path, headers={"X-API-Key": self.server.first_key}, json=body
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def mint(self, name: str, **fields) -> dict:
        return self.ask("POST", "/v2/organization/api-keys", {"name": name, **fields})

    def change(self, key: dict, **fields) -> None:
        self.ask("PUT", f"/v2/organization/api-keys/{key['id']}", fields)


@pytest.fixture
def keystead(tmp_path) -> Iterator[Keystead]:
    server = Server(tmp_path)
    try:
        yield Keystead(server)
        server.stop()
    finally:
        server.end()


def by_authlib(keystead: Keystead, key: str, token: str) -> requests.Response:
    """The key is the client's secret: Basic, the library's default."""
    session = OAuth2Session("a client", key)
    return session.introspect_token(keystead.endpoint, token=token, token_type_hint="access_token")


def by_oauth4webapi(keystead: Keystead, key: str, token: str, method: str = "basic") -> dict:
    variables = {"KEYSTEAD_URL": keystead.server.url, "KEY": key, "TOKEN": token, "METHOD": method}
    done = subprocess.run(
        ["node", MODULES / "introspect.mjs"],
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp())


def test_a_valid_key_is_active_and_has_its_scope_its_owner_and_its_times(keystead):
    key = keystead.mint("a", role="none", permissions=["invoices:read", "b"], owner="customer 17", expiresInDays=1)
    expected = {
        "active": True,
        "scope": "invoices:read b",
        "client_id": str(key["id"]),
        "sub": "customer 17",
        "token_type": "Bearer",
        "exp": seconds(key["expiresAt"]),
        "iat": seconds(key["created_at"]),
    }
    assert by_authlib(keystead, keystead.verifier, key["value"]).json() == expected
    for method in ["basic", "bearer"]:
        assert by_oauth4webapi(keystead, keystead.verifier, key["value"], method) == expected


def test_every_other_token_is_inactive(keystead):
    key = keystead.mint("a")
    keystead.change(key, valid=False)
    for token in [key["value"], UNKNOWN, "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl", "ü + % & ="]:
        assert by_authlib(keystead, keystead.verifier, token).json() == {"active": False}
        assert by_oauth4webapi(keystead, keystead.verifier, token) == {"active": False}
    keystead.change(key, valid=True)
    assert by_authlib(keystead, keystead.verifier, key["value"]).json()["active"]
    keystead.ask("DELETE", f"/v2/organization/api-keys/{key['id']}")
    assert by_authlib(keystead, keystead.verifier, key["value"]).json() == {"active": False}
    assert by_oauth4webapi(keystead, keystead.verifier, key["value"]) == {"active": False}


def test_a_client_without_a_valid_key_is_told_so_in_the_librarys_own_terms(keystead):
    answer = by_authlib(keystead, UNKNOWN, keystead.verifier)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    answer = by_authlib(keystead, keystead.mint("a", role="auditor")["value"], keystead.verifier)
    assert (answer.status_code, answer.json()["error"]) == (403, "unauthorized_client")
    for method in ["basic", "bearer"]:
        failure = by_oauth4webapi(keystead, UNKNOWN, keystead.verifier, method)
        # This library reads the challenges first.
        assert (failure["failure"], failure["status"]) == ("WWWAuthenticateChallengeError", 401), failure
        schemes = {challenge["scheme"]: challenge for challenge in failure["challenges"]}
        assert schemes["basic"] == {"scheme": "basic", "realm": "keystead"}
        assert schemes["bearer"] == {"scheme": "bearer", "realm": "keystead", "error": "invalid_token"}


class Validator(IntrospectTokenValidator):
    """As the library's documentation says."""

    def __init__(self, keystead: Keystead) -> None:
        super().__init__()
        self._keystead = keystead

    def introspect_token(self, token_string: str) -> dict:
        answer = by_authlib(self._keystead, self._keystead.verifier, token_string)
        answer.raise_for_status()
        return answer.json()


def test_a_resource_server_admits_and_refuses_by_the_scope(keystead):
    """The library compares scopes as texts: `*` has no meaning there."""
    validator = Validator(keystead)
    protector = ResourceProtector()
    protector.register_token_validator(validator)

    def admit(value: str, scopes: list[str]) -> dict:
        request = JsonRequest("GET", "https://app.example.com/", headers={"Authorization": f"Bearer {value}"})
        return protector.validate_request(scopes, request)

    key = keystead.mint("a", permissions=["invoices:read", "b"])
    assert admit(key["value"], ["invoices:read b"])["client_id"] == str(key["id"])
    with pytest.raises(InsufficientScopeError):
        admit(key["value"], ["invoices:write"])
    keystead.change(key, permissions=["b"])
    with pytest.raises(InsufficientScopeError):
        admit(key["value"], ["invoices:read"])
    with pytest.raises(InvalidTokenError):
        admit(UNKNOWN, ["b"])


def test_the_program_of_the_guide_prints_what_is_known_of_a_key(keystead):
    guide = (SUITE.parent.parent / "docs" / "introspection.md").read_text()
    program = guide.split("```python\n")[1].split("```")[0]
    assert program.count("http://127.0.0.1:8080") == 1
    key = keystead.mint("a", owner="customer 17")
    done = subprocess.run(
        [sys.executable, "-c", program.replace("http://127.0.0.1:8080", keystead.server.url)],
        env=os.environ | {"KEYSTEAD_KEY": keystead.verifier, "TOKEN": key["value"]},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert "'active': True" in done.stdout and "'sub': 'customer 17'" in done.stdout
