"""How a server leaves: each connection ends when no call that was accepted before needs it any more.

The C core's own shutdown announces itself (GOAWAY) and, from that moment, cancels every call that was under way to it:
clients see CANCELLED, which none of them retries. A connection that ends instead gives them UNAVAILABLE, which they do.
So the connections end first, one by one, and the core is shut down when none is left that a call could arrive on.
"""

import math
import time
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from carousel.transport import sockets
from carousel.transport.sockets import Connection, Peer, peer_of

_SWEEP = 0.025  # seconds between two looks
_UNREAD = 2.0  # seconds: a client that takes nothing of its answer for so long will not take the rest


class Staying(Protocol):
    """A call that was accepted before the server began to leave."""

    done: bool

    @property
    def peer(self) -> str:
        """The client's address as the C core writes it."""


class Farewell:
    """The end of the connections on some ports. Of the polling thread alone."""

    def __init__(
        self, ports: Collection[int], calls: Collection[Staying], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Stop to listen on `ports`; `calls` are those that are open, a collection that changes as they end."""
        self._ports = ports
        self._open = calls
        self._staying = {call: peer_of(call.peer) for call in calls}
        self._clock = clock
        self._ended: set[int] = set()
        self._progress: dict[int, tuple[int, float]] = {}  # by inode: bytes taken, and the time since when no more
        self._next = -math.inf
        self._clear = 0
        sockets.stop_listening(ports)

    def sweep(self) -> bool:
        """End the connections that no staying call needs, every 25 ms at most; True when none is left, and no call."""
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + _SWEEP
        self._staying = {call: peer for call, peer in self._staying.items() if call in self._open}
        needed: dict[Peer | None, list[Staying]] = {}
        for call, peer in self._staying.items():
            needed.setdefault(peer, []).append(call)
        found = self._end(lambda connection: self._may_end(connection, needed.get(connection.peer, ())))
        self._clear = 0 if found or self._staying else self._clear + 1
        return self._clear == 2  # the core may have been taking one more while the first look found none

    def end_all(self) -> None:
        """End every connection, whoever needs it."""
        self._end(lambda _: True)

    def _end(self, may_end: Callable[[Connection], bool]) -> bool:
        """End some connections; True if there were any that had not been ended."""
        found = False
        for connection in sockets.connections(self._ports):
            if connection.inode not in self._ended:
                found = True
                if may_end(connection):
                    self._ended.add(connection.inode)
                    connection.end()
        return found

    def _may_end(self, connection: Connection, calls: Iterable[Staying]) -> bool:
        """Whether each call on it is answered, and the client took the answers or takes no more of them."""
        if not all(call.done for call in calls):
            return False
        if not calls and not connection.unacknowledged:
            return True
        taken, now = connection.acknowledged, self._clock()
        before, since = self._progress.get(connection.inode, (-1, now))
        if calls and taken != before:  # who has its answers may go on asking, and is refused: that is no reason to wait
            since = now
        self._progress[connection.inode] = taken, since
        return now - since >= _UNREAD
