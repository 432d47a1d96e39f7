"""One WebSocket connection: uvicorn's own, with limits to what all of them hold and to how long answers stay unread."""

from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from carousel.http.unread import Unread

_TRY_LATER = 1013


@dataclass(slots=True)
class Budget:
    """Bytes of messages that came and that nothing has read yet, of all connections together.

    Attributes:
        max_bytes: There may be.
        held: There are.
    """

    max_bytes: int
    held: int = 0


class Upgraded(Unread, WebSocketsSansIOProtocol):
    """A connection that is ended where there is no room for its messages, or its client reads nothing for too long."""

    def __init__(self, budget: Budget, unread_seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self._budget = budget
        self._taken = 0  # of the budget
        self._unread_seconds = unread_seconds

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._hold(0)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came; end the connection where all of them hold too much."""
        super().data_received(data)
        self._hold(self._taken + len(data))
        if self._budget.held > self._budget.max_bytes and not self.close_sent:
            self.conn.fail(_TRY_LATER, "the server holds too much that it has not read yet (max_held_bytes)")
            self.handle_parser_exception()

    async def receive(self) -> Any:
        """Give the next event to the application: once it has all of them, their bytes count no more."""
        event = await super().receive()
        if self.queue.empty():
            self._hold(len(self.conn.reader.buffer) + sum(map(len, self.frames)))
        return event

    def _hold(self, size: int) -> None:
        self._budget.held += size - self._taken
        self._taken = size
