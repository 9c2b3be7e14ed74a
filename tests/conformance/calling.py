"""Two ways to call a published client, so that one test says what holds for both."""

import asyncio
from typing import Any, Callable


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
