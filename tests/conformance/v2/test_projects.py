import re

import pytest
import wire
from calling import refused
from confidentai.common.types import ApiKey
from confidentai.projects.types import Project, ProjectDefaultApiKey, ProjectList, ProjectRef, ProjectSummary

NO_SUCH_KEY = "There is no such API key in this organization."
NO_SUCH_PROJECT = "There is no such project in this organization."
# A project's key may verify, and nothing else unless it is given another role.
OF_A_PROJECT = re.compile(
    "This needs an (organization's )?API key with the role [a-z, ]+; "
    r"the one that was sent (belongs to a project|has the role verifier)\."
)
TAKEN = "The organization has a project of this name already."
UNKNOWN = "The API key is not valid."
ON_ONE_KEY = {
    "get": lambda keys, *ids: keys.get_api_key(*ids),
    "deactivate": lambda keys, *ids: keys.update_api_key(*ids, False),
    "rotate": lambda keys, *ids: keys.rotate_api_key(*ids),
    "revoke": lambda keys, *ids: keys.delete_api_key(*ids),
}
ON_A_PROJECT = {
    "get": lambda projects, id: projects.get(id),
    "rename": lambda projects, id: projects.update(id, name="renamed"),
    "delete": lambda projects, id: projects.delete(id),
    "list keys": lambda projects, id: projects.list_api_keys(id),
    "create a key": lambda projects, id: projects.create_api_key(id, "refused"),
    **{f"{name} a key": lambda projects, id, ask=ask: ask(projects, id, 1) for name, ask in ON_ONE_KEY.items()},
}


def test_a_new_project_is_answered_field_for_field_with_a_key_of_its_own(first):
    before = wire.now()
    created = first.projects.create("Search", description="Finds\nthings.", email="somebody@example.com")
    project, key = created.project, created.api_key
    assert type(project) is ProjectSummary
    assert project.id
    assert project.name == "Search"
    assert project.description == "Finds\nthings."
    assert project.organization_id == first.client.whoami().id
    assert before <= wire.time(project.created_at) <= wire.now()
    assert type(key) is ProjectDefaultApiKey
    assert wire.FULL_PROJECT_VALUE.fullmatch(key.value)
    (listed,) = first.projects.list_api_keys(project.id).api_keys
    assert listed == ApiKey(**key.model_dump() | {"value": wire.masked(key.value)})
    nulls = key.model_dump(include={"expires_at", "shadow_value", "rotates_at", "last_used"})
    assert set(nulls.values()) == {None}


def test_a_project_reads_as_it_was_answered(first):
    created = first.projects.create("Search").project
    read = first.projects.get(created.id)
    assert read == Project(**created.model_dump(), governance_policy=None)
    assert first.projects.list() == ProjectList(projects=[read])


def test_projects_are_listed_by_name(first):
    assert first.projects.list().projects == []
    for name in ["pear", "apple", "quince", "orange"]:
        first.projects.create(name)
    assert [project.name for project in first.projects.list().projects] == ["apple", "orange", "pear", "quince"]


def test_a_project_is_renamed_and_described_apart(first, send):
    id = first.projects.create("Search", description="Finds things.").project.id
    created = first.projects.get(id)
    renamed = first.projects.update(id, name=" Find \n")
    assert renamed == created.model_copy(update={"name": "Find"})
    described = first.projects.update(id, description="Still finds things.")
    assert described == renamed.model_copy(update={"description": "Still finds things."})
    assert first.projects.get(id) == described
    plain = send("PUT", f"/v2/projects/{id}", {"description": None}).json()["data"]
    assert Project(**plain) == described.model_copy(update={"description": None})
    assert first.projects.list().projects == [Project(**plain)]


def test_the_clients_project_object_loads_changes_and_deletes_itself(first, way):
    created = first.projects.create("Search", description="Finds things.").project
    project = first.project(created.id)
    assert way(project).get() is project
    loaded = [project.id, project.name, project.description, project.organization_id, project.created_at]
    assert loaded == [created.id, created.name, created.description, created.organization_id, created.created_at]
    assert project.governance_policy is None
    project.name = "Find"
    assert way(project).update() == first.projects.get(created.id)
    assert first.projects.get(created.id).name == "Find"
    assert way(project).delete() == ProjectRef(id=created.id)
    assert refused(way(project).get) == NO_SUCH_PROJECT


def test_a_change_that_changes_nothing_is_refused(first):
    id = first.projects.create("Search").project.id
    sentence = 'At least one of the fields "name" and "description" is required.'
    assert refused(first.projects.update, id) == sentence


def test_a_name_that_is_taken_is_refused_and_changes_nothing(first, send):
    search, find = (first.projects.create(name).project.id for name in ["Search", "Find"])
    before = first.projects.list()
    assert refused(first.projects.create, " Search ") == TAKEN
    assert refused(first.projects.update, find, name="Search", description="changed") == TAKEN
    answer = send("POST", "/v2/projects", {"name": "Search"})
    assert answer.status_code == 409
    assert answer.json() == {"success": False, "error": TAKEN, "deprecated": False}
    assert first.projects.list() == before
    assert first.projects.update(search, name="Search") == first.projects.get(search)


@pytest.mark.parametrize("ask", ON_A_PROJECT.values(), ids=ON_A_PROJECT)
@pytest.mark.parametrize("id", ["proj_0000000000000000", "proj_x", "1", "é"])
def test_a_project_that_there_never_was_is_not_found(first, ask, id):
    assert refused(ask, first.projects, id) == NO_SUCH_PROJECT


@pytest.mark.parametrize("ask", ON_A_PROJECT.values(), ids=ON_A_PROJECT)
def test_a_deleted_project_is_not_found(first, ask):
    id = first.projects.create("Search").project.id
    first.projects.delete(id)
    assert refused(ask, first.projects, id) == NO_SUCH_PROJECT


def test_a_deleted_projects_keys_are_dead_at_once_and_nobody_elses_are(first, caller):
    created, kept = first.projects.create("Search"), first.projects.create("Find")
    id = created.project.id
    rotated = first.projects.rotate_api_key(id, created.api_key.id, grace_period_in_hours=1)
    second = first.projects.create_api_key(id, "second", expires_in_days=1)
    values = [created.api_key.value, rotated.shadow_value, second.value]
    for value in [*values, kept.api_key.value]:
        assert OF_A_PROJECT.fullmatch(refused(caller(value).client.whoami))
    assert first.projects.delete(id) == ProjectRef(id=id)
    for value in values:
        assert refused(caller(value).client.whoami) == UNKNOWN
    assert [project.id for project in first.projects.list().projects] == [kept.project.id]
    assert OF_A_PROJECT.fullmatch(refused(caller(kept.api_key.value).client.whoami))


def test_a_key_of_a_project_is_refused_on_every_call_that_manages(first, caller, send):
    created = first.projects.create("Search")
    holder = caller(created.api_key.value)
    for ask in [
        holder.client.whoami,
        holder.organization.get,
        lambda: holder.organization.update("refused"),
        holder.organization.list_api_keys,
        lambda: holder.organization.create_api_key("refused"),
        *(lambda ask=ask: ask(holder.organization, 1) for ask in ON_ONE_KEY.values()),
        holder.projects.list,
        lambda: holder.projects.create("refused"),
        *(lambda ask=ask: ask(holder.projects, created.project.id) for ask in ON_A_PROJECT.values()),
    ]:
        assert OF_A_PROJECT.fullmatch(refused(ask))
    answer = send("GET", "/v2/organization", key=created.api_key.value)
    assert answer.status_code == 403
    sentence = answer.json()["error"]
    assert OF_A_PROJECT.fullmatch(sentence)
    assert answer.json() == {"success": False, "error": sentence, "deprecated": False}


@pytest.mark.parametrize("ask", ON_ONE_KEY.values(), ids=ON_ONE_KEY)
def test_a_key_is_found_only_where_it_belongs(first, ask):
    search, find = first.projects.create("Search"), first.projects.create("Find")
    (organizations,) = first.organization.list_api_keys().api_keys
    for id in [find.api_key.id, organizations.id, 999]:
        assert refused(ask, first.projects, search.project.id, id) == NO_SUCH_KEY
    assert refused(ask, first.organization, search.api_key.id) == NO_SUCH_KEY
    assert first.organization.list_api_keys().api_keys[0].name == "First key"


def test_a_project_has_the_same_shape_in_both_versions_but_for_what_wraps_it(first, send):
    created = send("POST", "/v2/projects", {"name": "Search"})
    assert created.headers["Cache-Control"] == "no-store"
    assert list(created.json()["data"]) == ["project", "apiKey"]
    project = created.json()["data"]["project"]
    assert list(project) == ["id", "name", "description", "organizationId", "created_at", "governancePolicy"]
    path = f"projects/{project['id']}"
    assert send("GET", f"/v2/{path}").json()["data"] == project
    assert send("GET", f"/v1/{path}").json()["data"] == {"project": project}
    assert send("PUT", f"/v2/{path}", {"name": "Search"}).json()["data"] == project
    assert send("GET", "/v1/projects").json() == send("GET", "/v2/projects").json()
    assert send("DELETE", f"/v2/{path}").json() == {"success": True, "data": {"id": project["id"]}}
