from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest
import wire
from calling import refused

UNKNOWN = "The API key is not valid."
DEACTIVATED = "The API key is deactivated."
EXPIRED = "The API key has expired."
NO_SUCH_KEY = "There is no such API key in this organization."
UNDER_WAY = (
    "The key is being rotated already: complete or cancel that rotation first, or rotate without a grace period."
)
SAY_HOW_LONG = 'The key has expired: set "expiresInDays" to its new lifetime, or to null for no expiry.'
NO_GRACE = "An expired key cannot have a grace period; rotate it without one."
BAD_GRACE = 'The field "gracePeriodInHours" must be a whole number from 0 to 8784.'
BAD_EXPIRY = 'The field "expiresInDays" must be a whole number from 1 to 36525, or null.'


@pytest.fixture
def key(keys):
    """A key that is to be rotated."""
    return keys.calls.create_api_key("rotated")


@pytest.mark.parametrize("grace", [{}, {"grace_period_in_hours": 0}], ids=["nothing said", "grace 0"])
def test_without_a_grace_the_value_is_replaced_at_once_and_all_else_stays(keys, key, grace):
    assert keys.refusal(key.value) is None
    used = keys.calls.get_api_key(key.id)
    rotated = keys.calls.rotate_api_key(key.id, **grace)
    assert keys.form.fullmatch(rotated.value)
    assert rotated.value != key.value
    assert rotated.model_dump() == used.model_dump() | {"value": rotated.value}
    assert keys.refusal(key.value) == UNKNOWN
    assert keys.calls.get_api_key(key.id).model_dump() == used.model_dump() | {"value": wire.masked(rotated.value)}
    assert keys.refusal(rotated.value) is None
    assert [listed.id for listed in keys.calls.list_api_keys().api_keys].count(key.id) == 1


def test_a_key_is_rotated_again_and_again_and_only_its_last_value_is_good(keys, key):
    values = [key.value] + [keys.calls.rotate_api_key(key.id).value for _ in range(3)]
    assert len(set(values)) == 4
    assert [keys.refusal(value) for value in values] == [UNKNOWN, UNKNOWN, UNKNOWN, None]


def test_with_a_grace_the_new_value_is_shown_once_and_both_authenticate(keys, key, advance):
    begun = advance()
    rotated = keys.calls.rotate_api_key(key.id, grace_period_in_hours=24)
    assert keys.form.fullmatch(rotated.shadow_value)
    assert rotated.shadow_value != key.value
    assert begun <= wire.time(rotated.rotates_at) - timedelta(hours=24) <= advance()
    changed = {"value": wire.masked(key.value), "shadow_value": rotated.shadow_value, "rotates_at": rotated.rotates_at}
    assert rotated.model_dump() == key.model_dump() | changed

    shown_again = keys.calls.get_api_key(key.id)
    assert shown_again.model_dump() == rotated.model_dump() | {"shadow_value": wire.masked(rotated.shadow_value)}
    assert keys.calls.list_api_keys().api_keys[0] == shown_again
    assert keys.refusal(key.value) is None
    assert keys.refusal(rotated.shadow_value) is None


def test_after_the_grace_the_new_value_is_the_value_and_the_outgoing_one_is_refused(keys, key, advance):
    rotated = keys.calls.rotate_api_key(key.id, grace_period_in_hours=24)
    advance(hours=24, minutes=-5)
    assert keys.refusal(key.value) is None
    assert keys.refusal(rotated.shadow_value) is None
    advance(minutes=5)
    assert keys.refusal(key.value) == UNKNOWN
    assert keys.refusal(rotated.shadow_value) is None
    listed = keys.calls.list_api_keys().api_keys[0]
    assert listed.value == wire.masked(rotated.shadow_value)
    assert listed.shadow_value is None
    assert listed.rotates_at is None
    assert (listed.id, listed.name, listed.created_at) == (key.id, key.name, key.created_at)
    assert keys.calls.get_api_key(key.id) == listed


def test_last_used_is_that_of_either_value_and_outlives_the_grace(keys, key, advance):
    rotated = keys.calls.rotate_api_key(key.id, grace_period_in_hours=2)
    used = []
    for value in [key.value, rotated.shadow_value, key.value]:
        begun = advance(minutes=1)
        assert keys.refusal(value) is None
        used.append(wire.time(keys.calls.get_api_key(key.id).last_used))
        assert begun <= used[-1] <= advance()
    advance(hours=2)
    assert wire.time(keys.calls.list_api_keys().api_keys[0].last_used) == used[-1]


def test_the_outgoing_value_is_answered_with_its_end_and_the_new_one_is_not(keys, key, send):
    def headers(value):
        return send("GET", "/v2/organization", key=value).headers

    assert "Sunset" not in headers(key.value)
    rotated = keys.calls.rotate_api_key(key.id, grace_period_in_hours=1)
    outgoing = headers(key.value)
    assert parsedate_to_datetime(outgoing["Sunset"]) == wire.time(rotated.rotates_at).replace(microsecond=0)
    assert rotated.rotates_at in outgoing["X-Api-Key-Warning"]
    assert not {"Sunset", "X-Api-Key-Warning"} & set(headers(rotated.shadow_value))


def test_a_grace_is_cut_to_the_expiry_that_the_key_has(keys, advance):
    key = keys.calls.create_api_key("one day", expires_in_days=1)
    rotated = keys.calls.rotate_api_key(key.id, grace_period_in_hours=48)
    assert rotated.rotates_at == rotated.expires_at == key.expires_at
    advance(days=1)
    assert keys.refusal(key.value) == UNKNOWN
    assert keys.refusal(rotated.shadow_value) == EXPIRED


def test_a_grace_is_cut_to_the_expiry_that_it_comes_with(keys, key, advance):
    begun = advance()
    rotated = keys.calls.rotate_api_key(key.id, grace_period_in_hours=25, expires_in_days=1)
    assert rotated.rotates_at == rotated.expires_at
    assert begun <= wire.time(rotated.expires_at) - timedelta(days=1) <= advance()


def test_a_grace_that_ends_before_the_expiry_is_not_cut(keys):
    key = keys.calls.create_api_key("one day", expires_in_days=1)
    rotated = keys.calls.rotate_api_key(key.id, grace_period_in_hours=23)
    assert rotated.rotates_at < rotated.expires_at == key.expires_at


@pytest.mark.parametrize("grace", [0, 1])
def test_a_rotation_keeps_sets_or_removes_the_expiry(keys, send, advance, grace):
    key = keys.calls.create_api_key("thirty days", expires_in_days=30)
    kept = keys.calls.rotate_api_key(key.id, grace_period_in_hours=grace)
    assert kept.expires_at == key.expires_at
    begun = advance(hours=grace)
    again = keys.calls.rotate_api_key(key.id, grace_period_in_hours=grace, expires_in_days=7)
    assert begun <= wire.time(again.expires_at) - timedelta(days=7) <= advance()
    advance(hours=grace)
    body = {"gracePeriodInHours": grace, "expiresInDays": None}
    removed = send("POST", f"{keys.path}/{key.id}/rotate", body).json()["data"]
    assert removed["expiresAt"] is None
    advance(days=31)
    assert keys.refusal(removed["shadowValue"] or removed["value"]) is None


def test_a_second_rotation_with_a_grace_conflicts_with_one_under_way_and_changes_nothing(keys, key, send):
    rotated = keys.calls.rotate_api_key(key.id, grace_period_in_hours=24)
    before = keys.calls.get_api_key(key.id)
    assert refused(keys.calls.rotate_api_key, key.id, grace_period_in_hours=1, expires_in_days=1) == UNDER_WAY
    answer = send("POST", f"{keys.path}/{key.id}/rotate", {"gracePeriodInHours": 24})
    assert answer.status_code == 409
    assert answer.json() == {"success": False, "error": UNDER_WAY, "deprecated": False}
    assert keys.calls.get_api_key(key.id) == before
    assert keys.refusal(key.value) is None
    assert keys.refusal(rotated.shadow_value) is None


def test_a_rotation_without_a_grace_ends_one_under_way_and_both_its_values(keys, key):
    pending = keys.calls.rotate_api_key(key.id, grace_period_in_hours=24)
    rotated = keys.calls.rotate_api_key(key.id)
    assert rotated.shadow_value is None
    assert rotated.rotates_at is None
    assert [keys.refusal(value) for value in [key.value, pending.shadow_value, rotated.value]] == [
        UNKNOWN,
        UNKNOWN,
        None,
    ]


def test_a_rotation_whose_grace_is_over_is_complete_before_another_starts(keys, key, advance):
    one = keys.calls.rotate_api_key(key.id, grace_period_in_hours=1)
    advance(hours=1)
    other = keys.calls.rotate_api_key(key.id, grace_period_in_hours=1)
    assert other.value == wire.masked(one.shadow_value)
    assert [keys.refusal(value) for value in [key.value, one.shadow_value, other.shadow_value]] == [UNKNOWN, None, None]


def test_an_expired_key_is_revived_by_a_rotation_that_says_for_how_long(keys, advance):
    key = keys.calls.create_api_key("one day", expires_in_days=1)
    advance(days=1)
    assert keys.refusal(key.value) == EXPIRED
    assert refused(keys.calls.rotate_api_key, key.id) == SAY_HOW_LONG
    assert refused(keys.calls.rotate_api_key, key.id, grace_period_in_hours=1) == NO_GRACE
    assert refused(keys.calls.rotate_api_key, key.id, grace_period_in_hours=1, expires_in_days=5) == NO_GRACE
    assert keys.refusal(key.value) == EXPIRED

    begun = advance()
    revived = keys.calls.rotate_api_key(key.id, grace_period_in_hours=0, expires_in_days=5)
    assert begun <= wire.time(revived.expires_at) - timedelta(days=5) <= advance()
    assert (revived.id, revived.name, revived.created_at) == (key.id, key.name, key.created_at)
    assert revived.shadow_value is None
    assert keys.refusal(key.value) == UNKNOWN
    assert keys.refusal(revived.value) is None
    advance(days=5)
    assert keys.refusal(revived.value) == EXPIRED


def test_an_expired_key_may_be_revived_for_ever(keys, send, advance):
    key = keys.calls.create_api_key("one day", expires_in_days=1)
    advance(days=1)
    answer = send("POST", f"{keys.path}/{key.id}/rotate", {})
    assert answer.status_code == 400
    assert answer.json()["error"] == SAY_HOW_LONG
    revived = send("POST", f"{keys.path}/{key.id}/rotate", {"expiresInDays": None}).json()["data"]
    assert revived["expiresAt"] is None
    assert keys.refusal(key.value) == UNKNOWN
    advance(days=36525)
    assert keys.refusal(revived["value"]) is None


def test_a_key_that_expires_with_its_grace_is_revived_with_one_value(keys, advance):
    key = keys.calls.create_api_key("one day", expires_in_days=1)
    pending = keys.calls.rotate_api_key(key.id, grace_period_in_hours=24)
    advance(days=1)
    revived = keys.calls.rotate_api_key(key.id, expires_in_days=1)
    assert [keys.refusal(value) for value in [key.value, pending.shadow_value, revived.value]] == [
        UNKNOWN,
        UNKNOWN,
        None,
    ]


@pytest.mark.parametrize("grace", [0, 1])
def test_a_key_that_is_switched_off_stays_so_through_a_rotation(keys, key, grace):
    keys.calls.update_api_key(key.id, False)
    rotated = keys.calls.rotate_api_key(key.id, grace_period_in_hours=grace)
    assert rotated.valid is False
    new = rotated.shadow_value or rotated.value
    assert keys.refusal(new) == DEACTIVATED
    assert keys.refusal(key.value) == (DEACTIVATED if grace else UNKNOWN)
    keys.calls.update_api_key(key.id, True)
    assert keys.refusal(new) is None
    assert keys.refusal(key.value) == (None if grace else UNKNOWN)


def test_switching_a_key_off_in_its_grace_stops_both_values(keys, key):
    rotated = keys.calls.rotate_api_key(key.id, grace_period_in_hours=1)
    both = [key.value, rotated.shadow_value]
    assert [keys.refusal(value) for value in both] == [None, None]
    off = keys.calls.update_api_key(key.id, False)
    assert off.shadow_value == wire.masked(rotated.shadow_value)
    assert [keys.refusal(value) for value in both] == [DEACTIVATED, DEACTIVATED]
    keys.calls.update_api_key(key.id, True)
    assert [keys.refusal(value) for value in both] == [None, None]


def test_a_revoked_key_takes_both_values_with_it(keys, key):
    rotated = keys.calls.rotate_api_key(key.id, grace_period_in_hours=1)
    both = [key.value, rotated.shadow_value]
    assert [keys.refusal(value) for value in both] == [None, None]
    keys.calls.delete_api_key(key.id)
    assert [keys.refusal(value) for value in both] == [UNKNOWN, UNKNOWN]
    assert refused(keys.calls.rotate_api_key, key.id) == NO_SUCH_KEY


def test_a_grace_goes_on_through_a_restart(server, keys, key):
    rotated = keys.calls.rotate_api_key(key.id, grace_period_in_hours=1)

    server.stop()
    server.start()

    assert [keys.refusal(value) for value in [key.value, rotated.shadow_value]] == [None, None]


@pytest.mark.parametrize("hours", [-1, 8785, 10**40])
def test_a_grace_beyond_the_bounds_is_refused_and_rotates_nothing(keys, key, hours):
    assert refused(keys.calls.rotate_api_key, key.id, grace_period_in_hours=hours) == BAD_GRACE
    assert keys.refusal(key.value) is None


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"gracePeriodInHours": 1.5}, BAD_GRACE),
        ({"gracePeriodInHours": "1"}, BAD_GRACE),
        ({"expiresInDays": 1.5}, BAD_EXPIRY),
        ({"expiresInDays": "1"}, BAD_EXPIRY),
        ({"expiresInDays": 0}, BAD_EXPIRY),
    ],
)
def test_what_is_no_whole_number_is_refused_and_rotates_nothing(keys, key, send, body, sentence):
    answer = send("POST", f"{keys.path}/{key.id}/rotate", body)
    assert answer.status_code == 400
    assert answer.json()["error"] == sentence
    assert keys.refusal(key.value) is None


def test_a_year_of_grace_is_not_too_long(keys, key):
    keys.calls.rotate_api_key(key.id, grace_period_in_hours=8784)


def test_a_rotation_is_answered_with_no_store_and_the_nulls_that_belong_there(keys, key, send):
    answer = send("POST", f"{keys.path}/{key.id}/rotate", {})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert list(answer.json()["data"]) == wire.KEY + wire.OWN
    pending = send("POST", f"{keys.path}/{key.id}/rotate", {"gracePeriodInHours": 1})
    assert pending.headers["Cache-Control"] == "no-store"
    # More may follow: clients ignore it.
    assert list(pending.json()["data"])[: len(wire.KEY)] == wire.KEY


def test_a_rotation_is_seen_through_v1_as_the_value_that_is_going_and_then_the_new_one(keys, key, send, advance):
    def seen_through_v1():
        return send("GET", keys.path.replace("/v2/", "/v1/")).json()["data"]["apiKeys"][0]["value"]

    rotated = keys.calls.rotate_api_key(key.id, grace_period_in_hours=1)
    assert seen_through_v1() == wire.masked(key.value)
    advance(hours=1)
    assert seen_through_v1() == wire.masked(rotated.shadow_value)


def test_there_is_no_rotation_on_v1(keys, key, send):
    answer = send("POST", f"{keys.path.replace('/v2/', '/v1/')}/{key.id}/rotate", {})
    assert answer.status_code == 404
    assert keys.refusal(key.value) is None
