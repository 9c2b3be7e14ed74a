"""The published client of /v2 as the tests call it."""

import re
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Callable, Iterator, NamedTuple

import pytest
import requests
import wire
from confidentai import ConfidentAI, ConfidentApiError
from server import Server

# A project's key may verify, and nothing else unless it is given another role.
OF_A_PROJECT = re.compile(
    "This needs an (organization's )?API key with the role [a-z, ]+; "
    r"the one that was sent (belongs to a project|has the role verifier)\."
)


class Caller(NamedTuple):
    """Who holds a key, and what can be asked with it: the client's own resources, called in one of two ways."""

    client: Any
    organization: Any
    projects: Any
    # The client's object for one project. It has a state, so it comes as it is.
    project: Callable[[str], Any]


class Keys(NamedTuple):
    """The keys of an organization or a project."""

    # The client's `…_api_key` calls, without the project's id.
    calls: Any
    path: str
    form: Any
    # Whether a value authenticates: None, or the sentence that it is refused with.
    refusal: Callable[[str], str | None]


class OneProject:
    """The calls of the client's `projects` that begin with a project's id, with that id."""

    def __init__(self, projects: Any, id: str) -> None:
        self._projects = projects
        self._id = id

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(getattr(self._projects, name), self._id)


@pytest.fixture
def server(tmp_path) -> Iterator[Server]:
    """A server that runs during one test, its clock ours to move."""
    server = Server(tmp_path, KEYSTEAD_DEV_CLOCK="true")
    yield server
    server.stop()


@pytest.fixture
def caller(server: Server, way: type) -> Callable[[str], Caller]:
    """Makes a caller of a full key."""

    def connect(key: str) -> Caller:
        client = ConfidentAI(api_key=key, base_url=server.url)
        return Caller(way(client), way(client.organization), way(client.projects), client.project)

    return connect


@pytest.fixture
def first(server: Server, caller: Callable[[str], Caller]) -> Caller:
    """Who holds the store's first key."""
    return caller(server.first_key)


@pytest.fixture(params=["organization", "project", "projects"])
def keys(request, first: Caller, caller: Callable[[str], Caller], way: type) -> Keys:
    """The keys of the organization, or those of a project by either way that the client has to them."""

    def refusal(value: str) -> str | None:
        try:
            caller(value).client.whoami()
        except ConfidentApiError as refused:
            return str(refused)
        return None

    if request.param == "organization":
        return Keys(first.organization, "/v2/organization/api-keys", wire.FULL_VALUE, refusal)

    def refusal_in_project(value: str) -> str | None:
        """A project's key gets no further than this here."""
        sentence = refusal(value)
        assert sentence is not None
        return None if OF_A_PROJECT.fullmatch(sentence) else sentence

    id = first.projects.create("Search").project.id
    calls = way(first.project(id)) if request.param == "project" else OneProject(first.projects, id)
    return Keys(calls, f"/v2/projects/{id}/api-keys", wire.FULL_PROJECT_VALUE, refusal_in_project)


@pytest.fixture
def send(server: Server) -> Callable[..., requests.Response]:
    """Asks without the client what it cannot say (it drops every None), or shows what it does not."""

    def send(method: str, path: str, body: Any = None, key: str = server.first_key) -> requests.Response:
        headers = {"CONFIDENT_API_KEY": key}
        return requests.request(method, server.url + path, json=body, headers=headers, timeout=30)

    return send


@pytest.fixture
def advance(send: Callable[..., requests.Response]) -> Callable[..., datetime]:
    """Moves the server's clock on by so many `days=`, `hours=`, …, and tells its time."""

    def advance(**time: int) -> datetime:
        answer = send("POST", "/dev/clock", {"advanceInMs": timedelta(**time) // timedelta(milliseconds=1)}).json()
        return wire.time(answer["data"]["now"])

    return advance
