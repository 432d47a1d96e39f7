"""How long clients may keep the server waiting: for a request's message, and for an answer to be read."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

_SOON = 2.0  # seconds without progress after which an answer may be dropped when there are too many bytes of them


class Waiting(Protocol):
    """A call, so far as it waits for its client."""

    began: float

    def give_up(self, seconds: float) -> None:
        """Fail it: its message did not come within so many seconds."""

    def drop(self) -> None:
        """End it at once: its client does not read."""


@dataclass(frozen=True, slots=True)
class Patience:
    """The limits.

    Attributes:
        calls: Open at once, of all clients; further ones are refused.
        message_seconds: From the beginning of a unary call to its whole message.
        unread_seconds: Without any of an answer being taken.
        unread_bytes: Of answers that are not taken yet. Beyond it those that wait longest are dropped much sooner.
    """

    calls: float = math.inf
    message_seconds: float = math.inf
    unread_seconds: float = math.inf
    unread_bytes: float = math.inf


class Waits:
    """The calls that wait for their clients. Of the polling thread alone.

    Attributes:
        patience: How long they may.
        unsent_bytes: Answers that are not taken yet.
    """

    def __init__(self, patience: Patience, clock: Callable[[], float] = time.monotonic) -> None:
        self.patience = patience
        self.unsent_bytes = 0
        self._clock = clock
        self._awaited: dict[Waiting, None] = {}  # no message yet; the oldest first
        self._unread: dict[Waiting, float] = {}  # since when nothing was taken; the longest first

    def expect_message(self, call: Waiting) -> None:
        """Wait for a message."""
        self._awaited[call] = None

    def has_message(self, call: Waiting) -> None:
        """Wait for it no more."""
        self._awaited.pop(call, None)

    def unsent(self, call: Waiting, before: int, after: int) -> None:
        """Take note that a call had `before` bytes that were not taken, and has `after` now."""
        self.unsent_bytes += after - before
        self._unread.pop(call, None)
        if after:
            self._unread[call] = self._clock()

    def sweep(self) -> None:
        """End the calls that have waited for too long."""
        if not self._awaited and not self._unread:
            return
        now, patience = self._clock(), self.patience
        while self._awaited and (oldest := next(iter(self._awaited))).began < now - patience.message_seconds:
            del self._awaited[oldest]
            oldest.give_up(patience.message_seconds)
        limit = _SOON if self.unsent_bytes > patience.unread_bytes else patience.unread_seconds
        while self._unread:
            call, since = next(iter(self._unread.items()))
            if now - since < limit:
                break
            del self._unread[call]
            call.drop()
