"""Work that nobody waits for is not done: it ends with the connection of the client that asked for it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from carousel.errors import Cancelled

T = TypeVar("T")

_SOON = 0.05
"""Seconds that work may take before the connection is watched: most is done by then, and a watch is one more task."""


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Give what `work` gives; cancel it once the client is gone. After the request's body was read.

    Raises:
        Cancelled: The client is gone.
    """
    watch = _Watch(request)
    try:
        return await work
    except asyncio.CancelledError:
        if watch.gone:
            raise Cancelled("the client is gone") from None
        raise
    finally:
        watch.end()


class _Watch:
    """Cancels the task that it was made in once the client of a request is gone.

    Attributes:
        gone: Whether it did.
    """

    def __init__(self, request: Request) -> None:
        self.gone = False
        self._request = request
        self._task = asyncio.current_task()
        self._watching: asyncio.Task[None] | None = None
        self._later = asyncio.get_running_loop().call_later(_SOON, self._begin)

    def end(self) -> None:
        """Watch no more."""
        self._later.cancel()
        if self._watching is not None:
            self._watching.cancel()
        if self.gone and self._task is not None:
            self._task.uncancel()

    def _begin(self) -> None:
        self._watching = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        if self._task is not None:
            self.gone = True
            self._task.cancel()
