"""What a client of a service gets that asks Keystead about keys as the guide says."""

import signal
import time
from pathlib import Path

import pytest
from impostor import Impostor
from programs import Program

# The programs wait for two seconds; the rest is for a busy machine.
TIMEOUT_S = 2
SLACK_S = 3


def refused(answer, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert ("retry-after" in answer.headers) == (status == 429)


def unavailable(setup, key: str) -> float:
    """Holds that the client is told so in time. Returns after how many seconds it was."""
    begun = time.monotonic()
    refused(setup.service.get(key), 503)
    waited = time.monotonic() - begun
    assert waited < TIMEOUT_S + SLACK_S
    return waited


def test_a_good_key_passes_and_the_handler_knows_whose_it_is(setup):
    _, key = setup.mint("Zürich ✓")
    answer = setup.service.get(key)
    assert (answer.status_code, answer.json()) == (200, {"hello": "Zürich ✓"})
    # Schemes are written in any case.
    assert setup.service.get(Authorization=f"bearer {key}").status_code == 200


def test_an_organization_key_is_refused(setup):
    refused(setup.service.get(setup.keystead.first_key), 403)


def test_no_key_and_a_wrong_one_are_refused(setup):
    refused(setup.service.get(), 401)
    _, key = setup.mint("a")
    for credentials in ["Bearer", f"Basic {key}", key, f"Bearer{key}"]:
        refused(setup.service.get(Authorization=credentials), 401)
    refused(setup.service.get(**{"X-API-Key": key}), 401)
    wrong = ["confident_org_" + "0" * 32, "nonsense", key[:-1], key + "0", '"', "x" * 4000]
    setup.keys += wrong[:2]
    for value in wrong:
        refused(setup.service.get(value), 401)
    # Bytes that are no text in UTF-8.
    refused(setup.service.get(b"\xff\xfe\xfc"), 401)


def test_a_key_is_refused_from_the_moment_on_that_it_is_ended(setup):
    number, key = setup.mint("a")
    path = f"{setup.client_keys}/{number}"
    assert setup.service.get(key).status_code == 200
    setup.ask("PUT", path, {"valid": False})
    refused(setup.service.get(key), 401)
    setup.ask("PUT", path, {"valid": True})
    assert setup.service.get(key).status_code == 200
    setup.ask("DELETE", path)
    refused(setup.service.get(key), 401)


def test_a_key_over_its_limit_is_told_how_long_to_wait(setup):
    _, key = setup.mint("a", rateLimit={"limit": 2, "windowInSeconds": 600})
    assert [setup.service.get(key).status_code for _ in range(2)] == [200, 200]
    answer = setup.service.get(key)
    refused(answer, 429)
    assert 570 <= int(answer.headers["Retry-After"]) <= 600
    assert setup.service.get(setup.mint("b")[1]).status_code == 200


def test_a_key_is_refused_from_an_address_that_it_is_not_allowed_from(setup):
    number, key = setup.mint("a", allowedAddresses=["203.0.113.7"])
    refused(setup.service.get(key), 403)
    # Nobody is believed who says that a request comes from elsewhere.
    refused(setup.service.get(key, **{"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7"}), 403)
    setup.ask("PUT", f"{setup.client_keys}/{number}", {"allowedAddresses": ["127.0.0.1"]})
    assert setup.service.get(key).status_code == 200


def test_a_key_without_the_permission_that_the_service_asks_for_is_refused(asking_setup):
    setup = asking_setup
    number, key = setup.mint("a", permissions=["orders:read", "b"], role="none")
    path = f"{setup.client_keys}/{number}"
    answer = setup.service.get(key)
    assert (answer.status_code, answer.json()) == (200, {"hello": "a"})
    assert setup.service.get(setup.mint("b", permissions=["orders:*"])[1]).status_code == 200
    refused(setup.service.get(setup.mint("c")[1]), 403)
    refused(setup.service.get(setup.mint("d", permissions=["orders:write"])[1]), 403)
    setup.ask("PUT", path, {"permissions": ["b"]})
    refused(setup.service.get(key), 403)
    setup.ask("PUT", path, {"permissions": ["*"]})
    assert setup.service.get(key).status_code == 200
    setup.ask("DELETE", path)
    refused(setup.service.get(key), 401)


def test_nobody_passes_while_keystead_is_stopped_and_good_keys_do_after_a_restart(setup):
    _, key = setup.mint("a")
    assert setup.service.get(key).status_code == 200
    setup.keystead.stop()
    for _ in range(3):
        unavailable(setup, key)
    unavailable(setup, "nonsense")
    refused(setup.service.get(), 401)
    setup.keystead.start()
    # The very first, whatever connections the service still believes in.
    assert setup.service.get(key).status_code == 200
    refused(setup.service.get("nonsense"), 401)
    assert "Keystead cannot be asked" in setup.service.log


def test_nobody_waits_for_a_keystead_that_hangs(setup):
    _, key = setup.mint("a")
    assert setup.service.get(key).status_code == 200
    setup.keystead.signal(signal.SIGSTOP)
    try:
        assert unavailable(setup, key) > TIMEOUT_S / 2
    finally:
        setup.keystead.signal(signal.SIGCONT)
    assert setup.service.get(key).status_code == 200


@pytest.mark.parametrize("own_key", ["confident_proj_" + "0" * 32, "key-of\ntwo-lines"])
def test_nobody_passes_where_the_services_own_key_is_not_good(setup, command, tmp_path, own_key):
    _, key = setup.mint("a")
    setup.service.end()
    program, url = command
    setup.keys += own_key.splitlines()
    setup.service = Program(program, url, tmp_path / "service.log", setup.keystead.url, own_key)
    unavailable(setup, key)
    assert "Keystead cannot be asked" in setup.service.log


# What is no answer of Keystead's about a key, as something else at its address may send it.
NO_ANSWERS = [
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "nonsense\r\n\r\n",
    "",
]
NO_VERDICTS = [
    ("200 OK", "<html>VALID</html>"),
    ("200 OK", "null"),
    ("200 OK", "[]"),
    ("200 OK", '"VALID"'),
    ("200 OK", '{"success":true}'),
    ("200 OK", '{"success":true,"data":null}'),
    ("200 OK", '{"success":true,"data":[]}'),
    ("200 OK", '{"success":true,"data":{"valid":true}}'),
    ("500 Internal Server Error", '{"success":true,"data":{"valid":true,"code":"VALID"}}'),
]


def json_answer(status: str, body: str) -> str:
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"


def test_nobody_passes_on_an_answer_that_is_not_keysteads(command, tmp_path):
    program, url = command
    with Impostor() as impostor:
        service = Program(program, url, tmp_path / "service.log", impostor.url, "key")
        try:
            for answer in NO_ANSWERS + [json_answer(*answer) for answer in NO_VERDICTS]:
                impostor.answer = answer.encode()
                refused(service.get("presented"), 503)
            # A verdict that the program does not know.
            impostor.answer = json_answer("200 OK", '{"success":true,"data":{"code":"LATER"}}').encode()
            refused(service.get("presented"), 401)
            assert "presented" not in service.log
        finally:
            service.end()


def test_nobody_waits_for_an_answer_that_comes_byte_by_byte(command, tmp_path):
    program, url = command
    with Impostor(drips=True) as impostor:
        impostor.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        service = Program(program, url, tmp_path / "service.log", impostor.url, "key")
        try:
            begun = time.monotonic()
            refused(service.get("presented"), 503)
            assert time.monotonic() - begun < TIMEOUT_S + SLACK_S
        finally:
            service.end()


def test_a_program_does_not_start_without_a_key_of_its_own(setup, command, tmp_path):
    setup.service.end()
    program, url = command
    with pytest.raises(AssertionError, match="KEYSTEAD_KEY"):
        Program(program, url, tmp_path / "service.log", setup.keystead.url, None)


def test_requests_share_a_connection_to_keystead(setup):
    _, key = setup.mint("a")
    assert setup.service.get(key).status_code == 200
    before = connections(setup.keystead.url)
    for number in range(30):
        assert setup.service.get(key if number % 3 else "nonsense").status_code == (200 if number % 3 else 401)
    assert connections(setup.keystead.url) <= before, "a request opened a connection of its own"


def connections(url: str) -> set[str]:
    """Who has, or had within the last minute, a connection to the server: an address and a port each."""
    host, port = url.removeprefix("http://").split(":")
    server = "".join(f"{int(part):02X}" for part in reversed(host.split("."))) + f":{int(port):04X}"
    rows = [row.split()[1:4] for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = "0A"
    ends = {(local, remote) for local, remote, state in rows if server in (local, remote) and state != listening}
    return {local if remote == server else remote for local, remote in ends}
