from datetime import timedelta

import pytest
import wire
from calling import refused
from confidentai.common.types import ApiKey, ApiKeyList, ApiKeyRef, CreatedApiKey

UNKNOWN = "The API key is not valid."
DEACTIVATED = "The API key is deactivated."
EXPIRED = "The API key has expired."
NO_SUCH_KEY = "There is no such API key in this organization."
BAD_EXPIRY = 'The field "expiresInDays" must be a whole number from 1 to 36525, or null.'


def test_a_new_key_is_answered_field_for_field_with_its_full_value(keys):
    before = wire.now()
    key = keys.calls.create_api_key("CI/CD key")
    assert type(key) is CreatedApiKey
    assert key.id > 0
    assert key.name == "CI/CD key"
    assert key.valid is True
    assert keys.form.fullmatch(key.value)
    assert before <= wire.time(key.created_at) <= wire.now()
    assert key.expires_at is None
    assert key.shadow_value is None
    assert key.rotates_at is None
    assert key.last_used is None
    assert keys.refusal(key.value) is None


def test_a_full_value_is_shown_once_and_masked_from_then_on(keys):
    created = keys.calls.create_api_key("shown once", expires_in_days=30)
    shown_again = ApiKey(**created.model_dump() | {"value": wire.masked(created.value)})
    assert keys.calls.get_api_key(created.id) == shown_again
    assert keys.calls.list_api_keys().api_keys[0] == shown_again
    assert keys.calls.update_api_key(created.id, True) == shown_again


def test_keys_are_listed_newest_first(keys):
    created = [keys.calls.create_api_key(f"key {number}").id for number in range(5)]
    listed = keys.calls.list_api_keys()
    assert type(listed) is ApiKeyList
    # One key was there before.
    assert [key.id for key in listed.api_keys][:-1] == created[::-1]


def test_last_used_is_none_until_a_key_is_used_and_is_then_set(keys):
    created = keys.calls.create_api_key("used later")
    assert keys.calls.get_api_key(created.id).last_used is None
    before = wire.now()
    assert keys.refusal(created.value) is None
    used = keys.calls.get_api_key(created.id)
    assert before <= wire.time(used.last_used) <= wire.now()
    assert keys.calls.list_api_keys().api_keys[0] == used


def test_a_key_is_switched_off_and_on(keys):
    created = keys.calls.create_api_key("off and on")
    for _ in range(2):
        assert keys.calls.update_api_key(created.id, False).valid is False
        assert keys.refusal(created.value) == DEACTIVATED
        assert keys.calls.update_api_key(created.id, True).valid is True
        assert keys.refusal(created.value) is None


def test_a_revoked_key_is_gone_and_the_answer_is_its_id_alone(keys, send):
    created, other = (keys.calls.create_api_key(name) for name in ["revoked", "revoked too"])
    assert keys.refusal(created.value) is None
    assert keys.calls.delete_api_key(created.id) == ApiKeyRef(id=created.id)
    assert keys.refusal(created.value) == UNKNOWN
    assert refused(keys.calls.get_api_key, created.id) == NO_SUCH_KEY
    assert send("DELETE", f"{keys.path}/{other.id}").json() == {"success": True, "data": {"id": other.id}}


def test_a_key_expires_so_many_days_after_it_was_made(keys, advance):
    created = keys.calls.create_api_key("thirty days", expires_in_days=30)
    assert wire.time(created.expires_at) == wire.time(created.created_at) + timedelta(days=30)
    advance(days=30, minutes=-5)
    assert keys.refusal(created.value) is None
    advance(minutes=5)
    assert keys.refusal(created.value) == EXPIRED


def test_an_expired_key_is_still_listed_and_can_be_switched_off_and_revoked(keys, advance):
    created = keys.calls.create_api_key("one day", expires_in_days=1)
    advance(days=1)
    expired = keys.calls.get_api_key(created.id)
    assert expired == ApiKey(**created.model_dump() | {"value": wire.masked(created.value)})
    assert keys.calls.list_api_keys().api_keys[0] == expired
    assert keys.calls.update_api_key(created.id, False).valid is False
    assert keys.refusal(created.value) == DEACTIVATED
    keys.calls.delete_api_key(created.id)
    assert keys.refusal(created.value) == UNKNOWN


def test_a_key_without_an_expiry_lasts(keys, send, advance):
    created = keys.calls.create_api_key("for ever")
    said = send("POST", keys.path, {"name": "null means for ever", "expiresInDays": None}).json()["data"]
    assert said["expiresAt"] is None
    advance(days=36525)
    assert keys.refusal(created.value) is None
    assert keys.refusal(said["value"]) is None


def test_a_century_is_not_too_long(keys):
    created = keys.calls.create_api_key("a century", expires_in_days=36525)
    assert wire.time(created.expires_at) == wire.time(created.created_at) + timedelta(days=36525)


@pytest.mark.parametrize("days", [0, -1, 36526, 10**40])
def test_an_expiry_beyond_the_bounds_is_refused_and_makes_no_key(keys, days):
    assert refused(keys.calls.create_api_key, "refused", expires_in_days=days) == BAD_EXPIRY
    assert len(keys.calls.list_api_keys().api_keys) == 1


@pytest.mark.parametrize("days", [1.5, "30", True, [30]])
def test_an_expiry_that_is_no_whole_number_is_refused(keys, send, days):
    answer = send("POST", keys.path, {"name": "refused", "expiresInDays": days})
    assert answer.status_code == 400
    assert answer.json() == {"success": False, "error": BAD_EXPIRY, "deprecated": False}


def test_a_key_has_all_its_fields_on_the_wire_in_their_order(keys, send):
    names = wire.KEY + wire.OWN
    created = send("POST", keys.path, {"name": "CI"})
    assert list(created.json()["data"]) == names
    assert created.headers["Cache-Control"] == "no-store"
    key = created.json()["data"]
    shown_again = key | {"value": wire.masked(key["value"])}
    assert send("GET", f"{keys.path}/{key['id']}").json() == {"success": True, "data": shown_again}
    listed = send("GET", keys.path).json()["data"]
    assert list(listed) == ["apiKeys"]
    assert list(listed["apiKeys"][0]) == names
    assert listed["apiKeys"][0] == shown_again


def test_a_key_made_through_v1_is_seen_through_v2_with_nulls(keys, send):
    body = {"name": "older", "expiresInDays": 1}
    made = send("POST", keys.path.replace("/v2/", "/v1/"), body).json()["data"]["apiKey"]
    assert list(made) == ["id", "valid", "value", "created_at", "name", "lastUsed"]
    seen = keys.calls.get_api_key(made["id"])
    assert keys.calls.list_api_keys().api_keys[0] == seen
    assert seen == ApiKey(
        id=made["id"],
        name="older",
        valid=True,
        created_at=made["created_at"],
        expires_at=None,
        value=wire.masked(made["value"]),
        shadow_value=None,
        rotates_at=None,
        last_used=None,
    )
    assert keys.refusal(made["value"]) is None


def test_a_key_made_through_v2_is_seen_through_v1_and_expires_there_too(keys, send, advance):
    made = keys.calls.create_api_key("newer", expires_in_days=1)
    path = keys.path.replace("/v2/", "/v1/")
    seen = {
        "id": made.id,
        "valid": True,
        "value": wire.masked(made.value),
        "created_at": made.created_at,
        "name": "newer",
        "lastUsed": None,
    }
    assert send("GET", f"{path}/{made.id}").json()["data"] == {"apiKey": seen}
    assert send("GET", path).json()["data"]["apiKeys"][0] == seen
    advance(days=1)
    assert send("GET", "/v1/organization", key=made.value).json()["error"] == EXPIRED
