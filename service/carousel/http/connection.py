"""One HTTP connection: uvicorn's own, with a limit to how many there are and how long a request's headers may take."""

import asyncio
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from carousel.http.unread import Unread


@dataclass(frozen=True, slots=True)
class Bounds:
    """What clients may keep open.

    Attributes:
        connections: At once; further ones are closed as they come.
        header_seconds: From the first byte of a request, or the connection's begin, to the end of its headers.
        idle_seconds: Between two requests of one connection.
        unread_seconds: In which a client has to read something of an answer.
        message_bytes: Of one message over WebSocket.
        held_bytes: Of all messages over WebSocket that nothing has read yet.
    """

    connections: int = 1024
    header_seconds: float = 10.0
    idle_seconds: float = 75.0
    unread_seconds: float = 60.0
    message_bytes: int = 64 << 20
    held_bytes: int = 512 << 20


_MAX_HEAD = 65_536  # bytes of a request's line and headers


class Connection(Unread, HttpToolsProtocol):
    """A connection whose client has to send whole headers, not too many, in time."""

    def __init__(self, bounds: Bounds, **options: Any) -> None:
        super().__init__(**options)
        self._bounds = bounds
        self._late: asyncio.TimerHandle | None = None
        self._head = 0  # bytes that came of headers that are not whole yet
        self._headers = 0  # bytes of those that were read
        self._unread_seconds = bounds.unread_seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take it, or close it where there are as many as may be."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn's own narrower type
        if len(self.connections) > self._bounds.connections:
            self.transport.close()
        else:
            self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._headers_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came; end the connection once it is more than headers may have and they are not whole."""
        super().data_received(data)
        self._head = 0 if self._late is None else self._head + len(data)
        if self._head > _MAX_HEAD:
            self.transport.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header.

        Raises:
            ValueError: There are too many, or too long ones; the parser answers 400.
        """
        self._headers += len(name) + len(value) + 4
        if self._headers > _MAX_HEAD:
            raise ValueError(f"headers of more than {_MAX_HEAD} bytes")
        super().on_header(name, value)

    def on_message_begin(self) -> None:
        """Begin to wait for the headers of one more request."""
        super().on_message_begin()
        self._headers = 0
        self._expect_headers()

    def on_headers_complete(self) -> None:
        """Stop to wait: the application bounds the body's time."""
        self._headers_came()
        super().on_headers_complete()

    def _expect_headers(self) -> None:
        self._headers_came()
        self._late = self.loop.call_later(self._bounds.header_seconds, self.transport.close)

    def _headers_came(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
