"""Every failure reaches the client's user as `ConfidentApiError` with one sentence of ours."""

import pytest
from calling import refused

UNKNOWN = "The API key is not valid."
NO_SUCH_KEY = "There is no such API key in this organization."
NOT_AN_ID = "An API key's id must be a positive integer."
ON_ONE_KEY = {
    "get": lambda calls, id: calls.get_api_key(id),
    "deactivate": lambda calls, id: calls.update_api_key(id, False),
    "rotate": lambda calls, id: calls.rotate_api_key(id),
    "revoke": lambda calls, id: calls.delete_api_key(id),
}


@pytest.mark.parametrize(
    "key",
    [f"confident_org_{'0' * 32}", f"confident_proj_{'0' * 32}", f"confident_org_{'X' * 32}", "nonsense"],
    ids=["never issued", "another kind", "no digits", "no key at all"],
)
def test_a_stranger_learns_nothing_whatever_is_asked(caller, key):
    stranger = caller(key)
    for ask in [
        stranger.client.whoami,
        stranger.organization.get,
        lambda: stranger.organization.update(""),
        stranger.organization.list_api_keys,
        lambda: stranger.organization.create_api_key("", expires_in_days=0),
        *(lambda ask=ask, id=id: ask(stranger.organization, id) for ask in ON_ONE_KEY.values() for id in [0, 1, 999]),
        stranger.projects.list,
        lambda: stranger.projects.create(""),
        lambda: stranger.projects.get("proj_x"),
        lambda: stranger.projects.list_api_keys("proj_x"),
    ]:
        assert refused(ask) == UNKNOWN


@pytest.mark.parametrize("ask", ON_ONE_KEY.values(), ids=ON_ONE_KEY)
@pytest.mark.parametrize(
    ("id", "sentence"),
    [(999, NO_SUCH_KEY), (2**63, NO_SUCH_KEY), (10**40, NO_SUCH_KEY), (0, NOT_AN_ID), (-1, NOT_AN_ID), ("x", NOT_AN_ID)],
)
def test_an_id_that_leads_nowhere_is_refused(keys, ask, id, sentence):
    assert refused(ask, keys.calls, id) == sentence


@pytest.mark.parametrize("ask", ON_ONE_KEY.values(), ids=ON_ONE_KEY)
def test_the_id_of_a_revoked_key_leads_nowhere(keys, ask):
    revoked = keys.calls.create_api_key("revoked")
    keys.calls.delete_api_key(revoked.id)
    assert refused(ask, keys.calls, revoked.id) == NO_SUCH_KEY


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (" \t\n ", "The name must have 1 to 255 characters."),
        ("é" * 256, "The name must have 1 to 255 characters."),
        ("a\x85b", "The name must not contain control characters."),
        ("x" * 140_000, "The request body is larger than 131072 bytes."),
    ],
    ids=["blank", "too long", "control character", "huge"],
)
def test_a_name_that_breaks_the_rules_is_refused_and_makes_no_key(keys, name, sentence):
    assert refused(keys.calls.create_api_key, name) == sentence
    assert len(keys.calls.list_api_keys().api_keys) == 1


def test_a_resource_that_keystead_does_not_have_is_refused_in_a_sentence(first):
    assert refused(first.organization.list_members) == "There is nothing at this path."
