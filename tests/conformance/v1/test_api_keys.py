import asyncio
from datetime import timedelta

import pytest
import wire
from confidentai import ApiKey, ConfidentAI, ConfidentApiError, DeletionResult

UNKNOWN = "The API key is not valid."
DEACTIVATED = "The API key is deactivated."


def test_a_new_key_is_answered_field_for_field_with_its_full_value(first):
    before = wire.now()
    key = first.keys.create("CI/CD key")
    assert type(key) is ApiKey
    assert key.id > 0
    assert key.name == "CI/CD key"
    assert key.valid is True
    assert wire.FULL_VALUE.fullmatch(key.value)
    assert before <= wire.time(key.created_at) <= wire.now()
    assert key.last_used is None


def test_a_full_value_is_shown_once_and_masked_from_then_on(first):
    created = first.keys.create("shown once")
    shown_again = created.model_copy(update={"value": wire.masked(created.value)})
    assert first.keys.get(created.id) == shown_again
    assert first.keys.list()[0] == shown_again
    assert first.keys.update(created.id, valid=True) == shown_again


def test_the_first_key_is_listed_like_any_other(server, first):
    (key,) = first.keys.list()
    assert key.name == "First key"
    assert key.value == wire.masked(server.first_key)


def test_a_new_key_works_at_once_and_may_mint_others(first, caller):
    child = first.keys.create("child")
    grandchild = caller(child.value).keys.create("grandchild")
    assert [key.name for key in caller(grandchild.value).keys.list()] == ["grandchild", "child", "First key"]


def test_keys_are_listed_newest_first(first):
    created = [first.keys.create(f"key {number}").id for number in range(5)]
    listed = [key.id for key in first.keys.list()]
    assert listed[:5] == created[::-1]
    assert listed == sorted(listed, reverse=True)


def test_two_keys_may_share_a_name_but_nothing_else(first):
    one, other = first.keys.create("twin"), first.keys.create("twin")
    assert one.name == other.name
    assert one.id != other.id
    assert one.value != other.value


@pytest.mark.parametrize("name", ["k", "é" * 255, "钥匙 🗝", 'quotes " and \\ slashes /'])
def test_a_name_is_kept_as_it_was_given(first, name):
    created = first.keys.create(name)
    assert created.name == name
    assert first.keys.get(created.id).name == name


def test_white_space_around_a_name_is_not_part_of_it(first):
    assert first.keys.create(" \t CI \n").name == "CI"


def test_last_used_is_none_until_a_key_is_used_and_is_then_set(first, caller):
    created = first.keys.create("used later")
    assert first.keys.get(created.id).last_used is None
    before = wire.now()
    caller(created.value).client.whoami()
    used = first.keys.get(created.id)
    assert before <= wire.time(used.last_used) <= wire.now()
    assert first.keys.list()[0] == used


def test_last_used_moves_on_with_every_use(first, caller):
    created = first.keys.create("used twice")
    times = []
    for _ in range(2):
        before = wire.now()
        caller(created.value).client.whoami()
        times.append(wire.time(first.keys.get(created.id).last_used))
        assert times[-1] >= before
        wait_until_after(times[-1])
    assert times[0] < times[1]


def test_a_deactivated_key_is_refused_on_the_next_call(first, caller):
    created = first.keys.create("off")
    holder = caller(created.value)
    holder.client.whoami()
    deactivated = first.keys.update(created.id, valid=False)
    assert deactivated.valid is False
    assert deactivated.value == wire.masked(created.value)
    assert_refused(holder, DEACTIVATED)
    assert first.keys.get(created.id) == deactivated


def test_a_reactivated_key_works_again_with_the_same_value(first, caller):
    created = first.keys.create("off and on")
    holder = caller(created.value)
    for _ in range(3):
        assert first.keys.update(created.id, valid=False).valid is False
        assert_refused(holder, DEACTIVATED)
        assert first.keys.update(created.id, valid=True).valid is True
        holder.client.whoami()


def test_setting_what_is_already_so_changes_nothing(first):
    created = first.keys.create("as it was")
    for valid in [True, False]:
        assert first.keys.update(created.id, valid=valid) == first.keys.update(created.id, valid=valid)


def test_a_revoked_key_is_refused_on_the_next_call(first, caller):
    created = first.keys.create("revoked")
    holder = caller(created.value)
    holder.client.whoami()
    deleted = first.keys.delete(created.id)
    assert type(deleted) is DeletionResult
    assert deleted == DeletionResult(id=created.id, deleted=True)
    assert_refused(holder, UNKNOWN)


def test_a_revoked_key_is_gone_from_the_list(first):
    kept, revoked = first.keys.create("kept"), first.keys.create("revoked")
    first.keys.delete(revoked.id)
    assert [key.name for key in first.keys.list()] == [kept.name, "First key"]


def test_a_deactivated_key_can_be_revoked(first, caller):
    created = first.keys.create("off, then revoked")
    first.keys.update(created.id, valid=False)
    first.keys.delete(created.id)
    assert_refused(caller(created.value), UNKNOWN)


def test_an_id_is_never_given_again(first):
    given = set()
    for number in range(5):
        key = first.keys.create(f"key {number}")
        assert key.id not in given
        given.add(key.id)
        first.keys.delete(key.id)


def test_a_key_may_deactivate_itself_and_then_has_no_say(first, caller):
    created = first.keys.create("switches itself off")
    holder = caller(created.value)
    assert holder.keys.update(created.id, valid=False).valid is False
    assert_refused(holder, DEACTIVATED)


def test_a_key_may_revoke_itself_and_then_has_no_say(first, caller):
    created = first.keys.create("revokes itself")
    holder = caller(created.value)
    assert holder.keys.delete(created.id).deleted is True
    assert_refused(holder, UNKNOWN)


def test_everything_stands_after_a_restart(server, first, caller):
    working, off, revoked = (first.keys.create(name) for name in ["working", "off", "revoked"])
    caller(working.value).client.whoami()
    first.keys.update(off.id, valid=False)
    first.keys.delete(revoked.id)
    organization = first.organization.update(name="Acme")
    used = first.keys.get(working.id)

    server.stop()
    server.start()

    again = caller(server.first_key)
    assert again.client.whoami() == organization
    assert again.keys.get(working.id) == used
    caller(working.value).client.whoami()
    assert_refused(caller(off.value), DEACTIVATED)
    assert_refused(caller(revoked.value), UNKNOWN)
    assert again.keys.create("after the restart").id > revoked.id


def test_a_list_is_whole_however_long_it_is_and_however_fast_it_grew(server):
    """The server reads a list a thousand keys at a time: one list ends with a page, the next goes one key beyond."""
    keys = ConfidentAI(api_key=server.first_key, base_url=server.url).organization().api_keys

    async def create(count: int) -> list[ApiKey]:
        turn = asyncio.Semaphore(32)

        async def create_one(number: int) -> ApiKey:
            async with turn:
                return await keys.a_create(f"key {number}")

        return await asyncio.gather(*map(create_one, range(count)))

    created = {key.id for key in keys.list()}
    for count in [999, 1]:
        created |= {key.id for key in asyncio.run(create(count))}
        assert [key.id for key in keys.list()] == sorted(created, reverse=True)
    assert len(created) == 1001


def assert_refused(holder, sentence: str) -> None:
    """Whatever is asked."""
    for ask in [holder.client.whoami, holder.keys.list, lambda: holder.keys.create("refused")]:
        with pytest.raises(ConfidentApiError) as refused:
            ask()
        assert str(refused.value) == sentence


def wait_until_after(moment) -> None:
    """Until the wire can tell now from then."""
    while wire.now() < moment + timedelta(milliseconds=1):
        pass
