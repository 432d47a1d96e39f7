"""Answers that a client does not read: they may not be kept for ever."""

import asyncio


class Unread:
    """Ends a connection whose client reads nothing of what waits for it, for so many seconds. Of one event loop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._left = 0  # bytes that waited when the timer was set

    def watch(self, transport: asyncio.Transport) -> None:
        """Be about this connection."""
        self._transport = transport

    def begin(self) -> None:
        """Wait: more is written than the client takes."""
        self.stop()
        if self._transport is not None:
            self._left = self._transport.get_write_buffer_size()
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def stop(self) -> None:
        """Wait no more: it was read, or the connection is lost."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        assert self._transport is not None
        if self._transport.get_write_buffer_size() < self._left:
            self.begin()  # slowly, but it reads
        else:
            self._transport.abort()
