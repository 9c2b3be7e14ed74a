"""What the suites of all versions stand on."""

from typing import Iterator

import pytest
from calling import Asynchronous, Synchronous
from server import Server


@pytest.fixture
def server(tmp_path) -> Iterator[Server]:
    """A server that runs during one test."""
    server = Server(tmp_path)
    yield server
    server.stop()


@pytest.fixture(params=[Synchronous, Asynchronous], ids=["sync", "async"])
def way(request) -> type:
    return request.param


@pytest.fixture(autouse=True)
def the_client_has_nothing_to_complain_about(caplog) -> Iterator[None]:
    """The published clients log what they retry and what is deprecated."""
    yield
    assert caplog.messages == []
