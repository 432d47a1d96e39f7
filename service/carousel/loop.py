"""One thread from socket to answer: poll, dispatch, turn whoever is busy; timers, and posts from other threads."""

import collections
import heapq
import itertools
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

from carousel import transport

logger = logging.getLogger("carousel.loop")

T = TypeVar("T")

_EVENTS = 0.004
"""Seconds of events handled between two ticks: a flood of requests may not keep those on board from riding."""


class Turning(Protocol):
    """A thing that turns. It tells the loop by `begin` when it has become busy."""

    spent: float
    """Seconds of work it has had; the loop gives the next turn to whoever had least."""

    @property
    def busy(self) -> bool:
        """Whether a turn has something to do now."""
        ...

    def turn(self) -> None:
        """Do a few milliseconds of work at most."""
        ...


class Timer:
    """A call that is due. `cancel` forgets it."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[], None]) -> None:
        self.function: Callable[[], None] | None = function

    def cancel(self) -> None:
        """Do not call it."""
        self.function = None


class Loop:
    """Turns the things that turn, between the events of one transport.

    Nothing here blocks longer than a tick: no file, no load, no lock, no long engine call.
    """

    def __init__(self, server: transport.Server, clock: Callable[[], float] = time.monotonic) -> None:
        """Serve `server`, and turn whoever begins."""
        self._server = server
        self._clock = clock
        self._turning: dict[Turning, None] = {}  # who is idle is not among them, and costs nothing
        self._posts: collections.deque[Callable[[], None]] = collections.deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._virtual = 0.0
        self._stopped = False

    def begin(self, thing: Turning) -> None:
        """Turn `thing` until it is no longer busy. Of the loop's thread alone."""
        # Who was idle starts level with the rest: time not used is not saved up.
        thing.spent = max(thing.spent, self._virtual)
        self._turning[thing] = None

    def post(self, function: Callable[[], None]) -> None:
        """Have `function` called on the loop's thread, soon. From any thread, or a signal handler."""
        self._posts.append(function)
        self._server.wake()

    def ask(self, function: Callable[[], T], timeout: float = 5.0) -> T:
        """Have `function` called on the loop's thread, and wait for what it returns. From any other thread.

        Raises:
            TimeoutError: The loop did not get to it within `timeout` seconds.
            Exception: Whatever `function` raised: it is the asker's, and the loop goes on.
        """
        answer: Future[T] = Future()

        def call() -> None:
            try:
                answer.set_result(function())
            except Exception as error:  # noqa: BLE001 - handed to who asked
                answer.set_exception(error)

        self.post(call)
        return answer.result(timeout)

    def after(self, seconds: float, function: Callable[[], None]) -> Timer:
        """Have `function` called in `seconds`. Of the loop's thread alone."""
        timer = Timer(function)
        heapq.heappush(self._timers, (self._clock() + seconds, next(self._order), timer))
        return timer

    def stop(self) -> None:
        """Return from `run` after this round."""
        self._stopped = True

    def run(self) -> None:
        """Turn until `stop`."""
        while not self._stopped:
            self.round()

    def round(self) -> None:
        """Handle what has arrived, and give one turn to whoever is busy and had least."""
        self._poll(0.0 if self._turning or self._posts else self._until_timer())
        for _ in range(len(self._posts)):
            self._call(self._posts.popleft())
        while self._timers and self._timers[0][0] <= self._clock():
            timer = heapq.heappop(self._timers)[2]
            if timer.function is not None:
                self._call(timer.function)
        if self._turning:
            chosen = min(self._turning, key=lambda thing: thing.spent)
            self._virtual = chosen.spent
            chosen.turn()
            if not chosen.busy:
                del self._turning[chosen]
        self._server.settle()

    def _call(self, function: Callable[[], None]) -> None:
        try:
            function()
        except Exception:  # one faulty call must not end the loop
            logger.exception("a function posted to the loop failed")

    def _poll(self, timeout: float) -> None:
        if self._server.poll(timeout):
            until = self._clock() + _EVENTS
            while self._server.poll(0.0) and self._clock() < until:
                pass

    def _until_timer(self) -> float:
        return max(0.0, self._timers[0][0] - self._clock()) if self._timers else math.inf
