import pytest
import wire
from confidentai import ConfidentApiError, Organization


def test_whoami_tells_the_organization(first):
    organization = first.client.whoami()
    assert type(organization) is Organization
    assert organization.id
    assert organization.name == "My organization"
    assert organization.plan == "ENTERPRISE"
    assert wire.time(organization.created_at) <= wire.now()


def test_the_organization_is_who_whoami_says(first):
    assert first.organization.get() == first.client.whoami()


def test_every_key_of_an_organization_tells_the_same_one(first, caller):
    minted = first.keys.create("another")
    assert caller(minted.value).client.whoami() == first.client.whoami()


def test_a_new_name_is_answered_and_stays(first, caller):
    minted = first.keys.create("another")
    before = first.client.whoami()
    renamed = first.organization.update(name="Ünïversal Exports 🗝")
    assert renamed == before.model_copy(update={"name": "Ünïversal Exports 🗝"})
    assert first.client.whoami() == renamed
    assert caller(minted.value).client.whoami() == renamed


def test_white_space_around_a_new_name_is_not_part_of_it(first):
    assert first.organization.update(name=" \t Acme \n").name == "Acme"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "The name must have 1 to 255 characters."),
        ("   ", "The name must have 1 to 255 characters."),
        ("x" * 256, "The name must have 1 to 255 characters."),
        ("Ac\x00me", "The name must not contain control characters."),
    ],
    ids=["empty", "blank", "too long", "control character"],
)
def test_a_name_that_breaks_the_rules_is_refused_and_changes_nothing(first, name, sentence):
    before = first.client.whoami()
    with pytest.raises(ConfidentApiError) as refused:
        first.organization.update(name=name)
    assert str(refused.value) == sentence
    assert first.client.whoami() == before
