"""What the asyncio client does by tasks; `threads` has the same names for the blocking one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import nullcontext
from typing import Any

import grpc

from carousel.client.messages import Prediction
from carousel.stubs.v1 import inference_pb2 as pb

CLOSED = grpc.aio.UsageError
"""What gRPC raises when a call is begun on a closed channel."""

Semaphore = asyncio.BoundedSemaphore


class Lock(nullcontext[None]):
    """Locks nothing: tasks of one event loop change places only where they await."""


class Link:
    """Requests of a stream that are written and not yet sent."""

    def __init__(self) -> None:
        self._unsent: asyncio.Queue[pb.StreamRequest | None] = asyncio.Queue()

    def write(self, request: pb.StreamRequest) -> None:
        """Send, after what was written before. Does not wait."""
        self._unsent.put_nowait(request)

    def finish(self) -> None:
        """Half-close: nothing more will be written."""
        self._unsent.put_nowait(None)

    async def requests(self) -> AsyncIterator[pb.StreamRequest]:
        """Give the requests as they are written, until `finish`."""
        while (request := await self._unsent.get()) is not None:
            yield request


class Runner:
    """Runs functions beside the caller, until they end."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()  # an event loop alone does not keep them alive

    def start(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        """Run now."""
        task = asyncio.get_running_loop().create_task(function(*arguments))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        """Run after so many seconds."""
        asyncio.get_running_loop().call_later(seconds, function)


def pending() -> asyncio.Future[Prediction]:
    """Make the future of an answer."""
    return asyncio.get_running_loop().create_future()


async def result(answer: asyncio.Future[Prediction]) -> Prediction:
    """Wait for an answer. Raises what the sequence ended by."""
    return await answer
