"""Every failure reaches the client's user as `ConfidentApiError` with one sentence of ours."""

import pytest
from calling import refused
from confidentai import ConfidentAI

NO_SUCH_KEY = "There is no such API key in this organization."
NOT_AN_ID = "An API key's id must be a positive integer."
ON_ONE_KEY = {
    "get": lambda keys, id: keys.get(id),
    "deactivate": lambda keys, id: keys.update(id, valid=False),
    "revoke": lambda keys, id: keys.delete(id),
}


@pytest.mark.parametrize(
    "key",
    [
        f"confident_org_{'0' * 32}",
        f"confident_proj_{'0' * 32}",
        f"confident_org_{'0' * 31}",
        f"confident_org_{'X' * 32}",
        "nonsense",
        "x" * 4000,
    ],
    ids=["never issued", "another kind", "too short", "no digits", "no key at all", "very long"],
)
def test_a_key_that_is_none_of_ours_is_refused_in_the_same_words_whatever_is_wrong_with_it(caller, key):
    stranger = caller(key)
    for ask in [stranger.client.whoami, stranger.organization.get, stranger.keys.list]:
        assert refused(ask) == "The API key is not valid."


def test_a_stranger_learns_nothing_about_names_and_ids(caller):
    stranger = caller(f"confident_org_{'0' * 32}")
    assert refused(stranger.organization.update, name="") == "The API key is not valid."
    assert refused(stranger.keys.create, "") == "The API key is not valid."
    for ask in ON_ONE_KEY.values():
        for id in [0, 1, 999]:
            assert refused(ask, stranger.keys, id) == "The API key is not valid."


@pytest.mark.parametrize("ask", ON_ONE_KEY.values(), ids=ON_ONE_KEY)
@pytest.mark.parametrize(
    ("id", "sentence"),
    [(999, NO_SUCH_KEY), (2**63, NO_SUCH_KEY), (10**40, NO_SUCH_KEY), (0, NOT_AN_ID), (-1, NOT_AN_ID), ("x", NOT_AN_ID)],
)
def test_an_id_that_leads_nowhere_is_refused(first, ask, id, sentence):
    assert refused(ask, first.keys, id) == sentence


@pytest.mark.parametrize("ask", ON_ONE_KEY.values(), ids=ON_ONE_KEY)
def test_the_id_of_a_revoked_key_leads_nowhere(first, ask):
    revoked = first.keys.create("revoked")
    first.keys.delete(revoked.id)
    assert refused(ask, first.keys, revoked.id) == NO_SUCH_KEY


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "The name must have 1 to 255 characters."),
        (" \t\n ", "The name must have 1 to 255 characters."),
        ("x" * 256, "The name must have 1 to 255 characters."),
        ("é" * 256, "The name must have 1 to 255 characters."),
        ("a\x00b", "The name must not contain control characters."),
        ("a\nb", "The name must not contain control characters."),
        ("a\x7fb", "The name must not contain control characters."),
        ("a\x85b", "The name must not contain control characters."),
        ("x" * 140_000, "The request body is larger than 131072 bytes."),
    ],
    ids=["empty", "blank", "too long", "too long in letters of two bytes", "NUL", "newline", "DEL", "C1", "huge"],
)
def test_a_name_that_breaks_the_rules_is_refused_and_makes_no_key(first, name, sentence):
    assert refused(first.keys.create, name) == sentence
    assert [key.name for key in first.keys.list()] == ["First key"]


def test_a_body_far_beyond_the_limit_is_refused_in_a_sentence_too(first):
    assert refused(first.keys.create, "x" * 1_000_000) == "The request body is larger than 131072 bytes."


def test_a_resource_that_keystead_does_not_have_is_refused_in_a_sentence(server, way):
    members = ConfidentAI(api_key=server.first_key, base_url=server.url).organization().members
    assert refused(way(members).list) == "There is nothing at this path."
