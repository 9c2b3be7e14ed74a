import pytest
import wire
from calling import refused
from confidentai.organization.types import Organization, OrganizationPlan


def test_whoami_tells_the_organization(first):
    organization = first.client.whoami()
    assert type(organization) is Organization
    assert organization.id
    assert organization.name == "My organization"
    assert organization.plan is OrganizationPlan.ENTERPRISE
    assert wire.time(organization.created_at) <= wire.now()
    assert first.organization.get() == organization


def test_a_new_name_is_answered_and_stays(first, caller):
    minted = first.organization.create_api_key("another")
    before = first.client.whoami()
    renamed = first.organization.update(" Ünïversal Exports 🗝 ")
    assert renamed == before.model_copy(update={"name": "Ünïversal Exports 🗝"})
    assert first.client.whoami() == renamed
    assert caller(minted.value).client.whoami() == renamed


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "The name must have 1 to 255 characters."),
        ("x" * 256, "The name must have 1 to 255 characters."),
        ("Ac\x00me", "The name must not contain control characters."),
    ],
    ids=["empty", "too long", "control character"],
)
def test_a_name_that_breaks_the_rules_is_refused_and_changes_nothing(first, name, sentence):
    before = first.client.whoami()
    assert refused(first.organization.update, name) == sentence
    assert first.client.whoami() == before


def test_data_is_the_organization_itself(first, send):
    data = send("GET", "/v2/organization").json()["data"]
    assert list(data) == ["id", "name", "plan", "created_at"]
    assert send("GET", "/v1/organization").json()["data"] == {"organization": data}
