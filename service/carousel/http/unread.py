"""Answers that a client does not read: they may not be kept for ever."""

import asyncio


class Unread(asyncio.Protocol):
    """A connection that ends where its client reads nothing of what waits for it, for so many seconds.

    Each connection's class stands on it, and on uvicorn's own behind it.
    """

    transport: asyncio.Transport
    _unread_seconds: float
    _unread: asyncio.TimerHandle | None = None
    _left = 0  # bytes that waited when the timer was set

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more: it is lost."""
        self._stop_waiting()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to wait: more is written than the client takes."""
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        """Wait no more: it reads."""
        super().resume_writing()
        self._stop_waiting()

    def _wait_for_reader(self) -> None:
        self._stop_waiting()
        self._left = self.transport.get_write_buffer_size()
        self._unread = asyncio.get_running_loop().call_later(self._unread_seconds, self._look)

    def _stop_waiting(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _look(self) -> None:
        if self.transport.get_write_buffer_size() < self._left:
            self._wait_for_reader()  # slowly, but it reads
        else:
            self.transport.abort()
