"""Two ways to call a published client, so that one test says what holds for both; and how a call fails in either."""

import asyncio
from typing import Any, Callable

import pytest
from confidentai import ConfidentApiError


class Synchronous:
    """The client's methods as they are."""

    def __init__(self, resource: Any) -> None:
        self._resource = resource

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(self._resource, name)


class Asynchronous:
    """The client's `a_…` methods under their plain names."""

    def __init__(self, resource: Any) -> None:
        self._resource = resource

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._resource, f"a_{name}")
        return lambda *args, **kwargs: asyncio.run(method(*args, **kwargs))


def refused(ask: Callable[..., Any], *args, **kwargs) -> str:
    """The sentence that a call is refused with."""
    with pytest.raises(ConfidentApiError) as refusal:
        ask(*args, **kwargs)
    assert type(refusal.value) is ConfidentApiError
    assert refusal.value.link is None
    return str(refusal.value)
