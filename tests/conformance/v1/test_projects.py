import asyncio
import re

import pytest
import wire
from calling import refused
from confidentai import ApiKey, ConfidentAI, CreatedProject, DeletionResult, Project

NO_SUCH_KEY = "There is no such API key in this organization."
NO_SUCH_PROJECT = "There is no such project in this organization."
# A project's key may verify, and nothing else unless it is given another role.
OF_A_PROJECT = re.compile(
    "This needs an (organization's )?API key with the role [a-z, ]+; "
    r"the one that was sent (belongs to a project|has the role verifier)\."
)
TAKEN = "The organization has a project of this name already."
UNKNOWN = "The API key is not valid."
ON_A_PROJECT = {
    "get": lambda project: project.itself.get(),
    "rename": lambda project: project.itself.update(name="renamed"),
    "delete": lambda project: project.itself.delete(),
    "list keys": lambda project: project.keys.list(),
    "create a key": lambda project: project.keys.create("refused"),
    "get a key": lambda project: project.keys.get(1),
    "deactivate a key": lambda project: project.keys.update(1, valid=False),
    "revoke a key": lambda project: project.keys.delete(1),
}
ON_ONE_KEY = {
    "get": lambda keys, id: keys.get(id),
    "deactivate": lambda keys, id: keys.update(id, valid=False),
    "revoke": lambda keys, id: keys.delete(id),
}


def test_a_new_project_is_answered_field_for_field_with_a_key_of_its_own(first):
    before = wire.now()
    created = first.projects.create("Search", description="Finds\nthings.", email="somebody@example.com")
    assert type(created) is CreatedProject
    project, key = created.project, created.api_key
    assert type(project) is Project
    assert project.id
    assert project.name == "Search"
    assert project.description == "Finds\nthings."
    assert project.organization_id == first.client.whoami().id
    assert before <= wire.time(project.created_at) <= wire.now()
    assert project.governance_policy is None
    assert type(key) is ApiKey
    assert key.valid is True
    assert key.created_at == project.created_at
    assert key.last_used is None
    assert wire.FULL_PROJECT_VALUE.fullmatch(key.value)
    (listed,) = first.project(project.id).keys.list()
    assert listed == key.model_copy(update={"value": wire.masked(key.value)})


def test_a_project_reads_as_it_was_answered(first):
    created = first.projects.create("Search").project
    assert created.description is None
    assert first.project(created.id).itself.get() == created
    assert first.projects.list() == [created]


def test_projects_are_listed_by_name(first):
    assert first.projects.list() == []
    for name in ["pear", "apple", "quince", "orange"]:
        first.projects.create(name)
    assert [project.name for project in first.projects.list()] == ["apple", "orange", "pear", "quince"]


def test_a_project_is_renamed_and_described_apart(first):
    created = first.projects.create("Search", description="Finds things.").project
    project = first.project(created.id).itself
    renamed = project.update(name=" Find \n")
    assert renamed == created.model_copy(update={"name": "Find"})
    described = project.update(description="Still finds things.")
    assert described == renamed.model_copy(update={"description": "Still finds things."})
    assert project.update(name="Search", description="") == described.model_copy(
        update={"name": "Search", "description": ""}
    )
    assert first.projects.list() == [project.get()]


def test_a_change_that_changes_nothing_is_refused(first):
    project = first.project(first.projects.create("Search").project.id).itself
    assert refused(project.update) == 'At least one of the fields "name" and "description" is required.'


def test_a_name_that_is_taken_is_refused_and_changes_nothing(first):
    search, find = (first.projects.create(name).project for name in ["Search", "Find"])
    assert refused(first.projects.create, " Search ") == TAKEN
    assert refused(first.project(find.id).itself.update, name="Search", description="changed") == TAKEN
    assert first.projects.list() == [find, search]
    assert first.project(search.id).itself.update(name="Search") == search


def test_the_name_of_a_deleted_project_is_free_again_and_its_id_is_not(first):
    deleted = first.projects.create("Search").project
    first.project(deleted.id).itself.delete()
    assert first.projects.create("Search").project.id != deleted.id


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": " "}, "The name must have 1 to 255 characters."),
        ({"name": "é" * 256}, "The name must have 1 to 255 characters."),
        ({"name": "a\nb"}, "The name must not contain control characters."),
        ({"name": "Search", "description": "é" * 2001}, "The description must have at most 2000 characters."),
        ({"name": "Search", "description": "a\x00b"}, "The description must not contain control characters."),
    ],
    ids=["blank name", "long name", "control character in a name", "long description", "control character"],
)
def test_a_project_that_breaks_the_rules_is_refused_and_not_made(first, fields, sentence):
    assert refused(first.projects.create, **fields) == sentence
    assert first.projects.list() == []


@pytest.mark.parametrize("ask", ON_A_PROJECT.values(), ids=ON_A_PROJECT)
@pytest.mark.parametrize("id", ["proj_0000000000000000", "proj_x", "1", "é"])
def test_a_project_that_there_never_was_is_not_found(first, ask, id):
    assert refused(ask, first.project(id)) == NO_SUCH_PROJECT


@pytest.mark.parametrize("ask", ON_A_PROJECT.values(), ids=ON_A_PROJECT)
def test_a_deleted_project_is_not_found(first, ask):
    deleted = first.projects.create("Search").project
    first.project(deleted.id).itself.delete()
    assert refused(ask, first.project(deleted.id)) == NO_SUCH_PROJECT


def test_a_deleted_projects_keys_are_dead_at_once_and_nobody_elses_are(first, caller):
    created, kept = first.projects.create("Search"), first.projects.create("Find")
    project = first.project(created.project.id)
    values = [created.api_key.value, project.keys.create("second").value]
    for value in [*values, kept.api_key.value]:
        assert OF_A_PROJECT.fullmatch(refused(caller(value).client.whoami))
    deleted = project.itself.delete()
    assert type(deleted) is DeletionResult
    assert deleted == DeletionResult(id=created.project.id, deleted=True)
    for value in values:
        assert refused(caller(value).client.whoami) == UNKNOWN
    assert first.projects.list() == [kept.project]
    assert OF_A_PROJECT.fullmatch(refused(caller(kept.api_key.value).client.whoami))


def test_a_key_of_a_project_is_refused_on_every_call_that_manages(first, caller):
    created = first.projects.create("Search")
    holder = caller(created.api_key.value)
    for ask in [
        holder.client.whoami,
        holder.organization.get,
        lambda: holder.organization.update(name="refused"),
        holder.keys.list,
        lambda: holder.keys.create("refused"),
        *(lambda ask=ask: ask(holder.keys, 1) for ask in ON_ONE_KEY.values()),
        holder.projects.list,
        lambda: holder.projects.create("refused"),
        *(lambda ask=ask: ask(holder.project(created.project.id)) for ask in ON_A_PROJECT.values()),
    ]:
        assert OF_A_PROJECT.fullmatch(refused(ask))


def test_a_projects_keys_are_made_listed_switched_and_revoked_like_an_organizations(first, caller):
    created = first.projects.create("Search")
    keys = first.project(created.project.id).keys
    key = keys.create("CI")
    assert key.name == "CI"
    assert key.id > created.api_key.id
    assert wire.FULL_PROJECT_VALUE.fullmatch(key.value)
    shown = key.model_copy(update={"value": wire.masked(key.value)})
    assert keys.get(key.id) == shown
    assert [listed.id for listed in keys.list()] == [key.id, created.api_key.id]

    assert keys.update(key.id, valid=False) == shown.model_copy(update={"valid": False})
    assert refused(caller(key.value).client.whoami) == "The API key is deactivated."
    assert keys.update(key.id, valid=True) == shown
    before = wire.now()
    assert OF_A_PROJECT.fullmatch(refused(caller(key.value).client.whoami))
    assert before <= wire.time(keys.get(key.id).last_used) <= wire.now()

    assert keys.delete(key.id) == DeletionResult(id=key.id, deleted=True)
    assert refused(caller(key.value).client.whoami) == UNKNOWN
    assert refused(keys.get, key.id) == NO_SUCH_KEY


@pytest.mark.parametrize("ask", ON_ONE_KEY.values(), ids=ON_ONE_KEY)
def test_a_key_is_found_only_where_it_belongs(first, ask):
    search, find = first.projects.create("Search"), first.projects.create("Find")
    keys = first.project(search.project.id).keys
    for id in [find.api_key.id, first.keys.list()[0].id, 999]:
        assert refused(ask, keys, id) == NO_SUCH_KEY
    assert refused(ask, first.keys, search.api_key.id) == NO_SUCH_KEY
    assert [key.name for key in first.keys.list()] == ["First key"]


def test_projects_and_their_keys_stand_after_a_restart(server, first, caller):
    created, deleted = first.projects.create("Search", description="Finds things."), first.projects.create("Find")
    first.project(deleted.project.id).itself.delete()

    server.stop()
    server.start()

    again = caller(server.first_key)
    assert again.projects.list() == [created.project]
    assert OF_A_PROJECT.fullmatch(refused(caller(created.api_key.value).client.whoami))
    assert refused(caller(deleted.api_key.value).client.whoami) == UNKNOWN


def test_a_list_of_projects_is_whole_however_long_it_is(server):
    """The server reads a list a thousand projects at a time: one list ends with a page, the next goes one beyond."""
    projects = ConfidentAI(api_key=server.first_key, base_url=server.url).projects

    async def create(names: list[str]) -> None:
        turn = asyncio.Semaphore(32)

        async def create_one(name: str) -> None:
            async with turn:
                await projects.a_create(name)

        await asyncio.gather(*map(create_one, names))

    names = [f"project {number:04}" for number in range(1001)]
    for begin, end in [(0, 1000), (1000, 1001)]:
        asyncio.run(create(names[begin:end]))
        assert [project.name for project in projects.list()] == names[:end]
