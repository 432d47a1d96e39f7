"""From HTTP's thread to the loop's and back: work goes as a posted function, its answer as a future."""

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from carousel.errors import CarouselError
from carousel.serving import Lifecycle, Pending, Request, Requests, unexpected

T = TypeVar("T")

Answer = Callable[[T], None]
Fail = Callable[[CarouselError], None]


class Bridge:
    """Asks the loop's thread, for coroutines of another. Its methods belong to the asking thread's event loop."""

    def __init__(self, post: Callable[[Callable[[], None]], None], requests: Requests, lifecycle: Lifecycle) -> None:
        """`post` brings a function to the loop's thread."""
        self._post = post
        self._requests = requests
        self._lifecycle = lifecycle

    async def ask(self, function: Callable[[], T]) -> T:
        """Call `function` on the loop's thread, and give what it returns or raise what it raises.

        Raises:
            ServerFault: It raised what is no CarouselError: a bug, which the log explains.
        """
        answer: _Answer[T] = _Answer()
        self._post(answer.failing_by(lambda: answer.give(function())))
        return await answer.future

    async def answer(self, request: Request) -> Pending:
        """Run the sequences of a request; cancelled, the work is dropped.

        Raises:
            CarouselError: It was refused, or failed.
        """
        return await self.begin(lambda give, fail: self._requests.submit(request, give, fail).abandon)

    async def begin(self, begin: Callable[[Answer[T], Fail], Callable[[], None]]) -> T:
        """Begin on the loop's thread what is answered there later, once; cancelled, call what `begin` returned.

        Raises:
            CarouselError: It was refused, or failed.
        """
        answer: _Answer[T] = _Answer()
        begun: list[Callable[[], None]] = []

        def run() -> None:
            self._lifecycle.check_serving()
            begun.append(begin(answer.give, answer.fail))

        def abandon() -> None:
            for each in begun:
                each()

        self._post(answer.failing_by(run))
        try:
            return await answer.future
        except asyncio.CancelledError:
            self._post(abandon)
            raise


def deadline_after(seconds: float) -> float:
    """Say when so many seconds will have passed, on the loop's clock; inf for 0."""
    return time.monotonic() + seconds if seconds else math.inf


class _Answer(Generic[T]):
    """A future of one event loop that another thread settles, once."""

    def __init__(self) -> None:
        self._home = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self._home.create_future()

    def give(self, value: T) -> None:
        """Settle it with a value. From any thread."""
        self._settle(lambda: self.future.set_result(value))

    def fail(self, error: CarouselError) -> None:
        """Settle it with an error. From any thread."""
        self._settle(lambda: self.future.set_exception(error))

    def failing_by(self, function: Callable[[], None]) -> Callable[[], None]:
        """Make of `function` one that settles it with what is raised."""

        def run() -> None:
            try:
                function()
            except CarouselError as error:
                self.fail(error)
            except Exception as bug:  # noqa: BLE001 - whatever a bug raises ends this request, and nothing else
                self.fail(unexpected(bug, "a request over HTTP failed"))

        return run

    def _settle(self, settle: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the event loop is closed: the server is going down, and nothing waits any more
            self._home.call_soon_threadsafe(lambda: None if self.future.done() else settle())
