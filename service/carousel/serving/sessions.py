"""The live sequences of this server, under whichever protocol: how many, how idle, and how they end."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Protocol

from carousel.errors import Overloaded
from carousel.serving.model import Model
from carousel.serving.session import Session


class Holder(Protocol):
    """Who holds a live sequence for a client."""

    session: Session

    def expire(self, idle: float) -> None:
        """Close it: it was idle for so many seconds. Must end in `Roster.forget`."""

    def send_away(self) -> None:
        """Close it once what it was fed is answered: its version, or the server, goes away."""


class Roster:
    """Everyone who holds a live sequence, the longest idle first."""

    def __init__(self, *, most: int, idle_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow at most `most` live sequences, each idle for at most `idle_seconds`."""
        self._most = most
        self._idle_seconds = idle_seconds
        self._holders: OrderedDict[Holder, None] = OrderedDict()
        self.clock = clock

    def __iter__(self) -> Iterator[Holder]:
        """Go through those who are here now; each may leave meanwhile."""
        return iter(list(self._holders))

    def admit(self) -> None:
        """Ask whether there is room for one more.

        Raises:
            Overloaded: There is none.
        """
        if len(self._holders) >= self._most:
            raise Overloaded(f"{self._most} live sequences are open, and that is the limit")

    def add(self, holder: Holder) -> None:
        """Note that a live sequence was opened."""
        self._holders[holder] = None

    def touch(self, holder: Holder) -> float:
        """Note that a live sequence was fed; return the time, in seconds on the clock."""
        self._holders.move_to_end(holder)
        return self.clock()

    def forget(self, holder: Holder) -> None:
        """Note that a live sequence was closed."""
        self._holders.pop(holder, None)

    def expire(self) -> None:
        """Close the live sequences that were idle for too long. Called every second or so."""
        now = self.clock()
        while self._holders:
            holder = next(iter(self._holders))
            idle = now - holder.session.touched
            if idle < self._idle_seconds:
                return
            if holder.session.idle:
                holder.expire(idle)
            else:
                self._holders.move_to_end(holder)
                holder.session.touched = now

    def retire(self, model: Model) -> None:
        """Send the live sequences of a version that is being unloaded away."""
        for holder in self:
            if holder.session.model is model:
                holder.send_away()

    def go_away(self) -> None:
        """Send every live sequence away."""
        for holder in self:
            holder.send_away()
