"""The published client of /v1 as the tests call it."""

from typing import Any, Callable, NamedTuple

import pytest
from confidentai import ConfidentAI
from server import Server


class Caller(NamedTuple):
    """Who holds a key, and what can be asked with it: the client's own resources, called in one of two ways."""

    client: Any
    organization: Any
    keys: Any
    projects: Any
    project: Callable[[str], "Project"]


class Project(NamedTuple):
    """A project and its keys, in the same way."""

    itself: Any
    keys: Any


@pytest.fixture
def caller(server: Server, way: type) -> Callable[[str], Caller]:
    """Makes a caller of a full key."""

    def connect(key: str) -> Caller:
        client = ConfidentAI(api_key=key, base_url=server.url)
        organization = client.organization()

        def project(id: str) -> Project:
            project = client.project(id)
            return Project(way(project), way(project.api_keys))

        return Caller(way(client), way(organization), way(organization.api_keys), way(client.projects), project)

    return connect


@pytest.fixture
def first(server: Server, caller: Callable[[str], Caller]) -> Caller:
    """Who holds the store's first key."""
    return caller(server.first_key)
