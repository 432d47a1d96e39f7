"""One port served over HTTP, by uvicorn on a thread of its own: what it does never holds the loop's thread up."""

import asyncio
import logging
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import uvicorn

from carousel.http.connection import Bounds, Connection
from carousel.http.upgraded import Budget, Upgraded
from carousel.transport import TlsFiles

logger = logging.getLogger("carousel.http")
logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # its warnings are of what strangers send: without end

_END = 5.0  # seconds that open connections have to end in
_PING = 20.0  # seconds between two pings of a WebSocket: proxies end what is silent for a minute
_TURN = 20e-6
"""Seconds after which a thread of this process may have the interpreter that another one holds.

Python's own 5 ms begin anew whenever the holder lets go for a system call, and HTTP's thread does so more often: the
loop's thread, and every caller over gRPC with it, would wait until it happened to be the first to take it.
"""

_LOOK = 1.0  # seconds between two looks at whether the TLS files changed


class Endpoint:
    """Serves one ASGI application on a socket that is bound already.

    Attributes:
        port: What the socket listens on.
    """

    def __init__(
        self,
        listener: socket.socket,
        application: Callable[..., Any],
        *,
        bounds: Bounds | None = None,
        tls: TlsFiles | None = None,
    ) -> None:
        """Serve `application` on `listener` once it is started; over TLS where there are `tls` files.

        Raises:
            OSError: A TLS file cannot be used; the message names it.
        """
        bounds = bounds or Bounds()
        self.port: int = listener.getsockname()[1]
        self._listener = listener
        self._tls = tls
        self._context = None if tls is None else tls.context()
        config = uvicorn.Config(
            application,
            http=partial(Connection, bounds),  # type: ignore[arg-type]  # makes a protocol, which is all that is asked
            ws=partial(Upgraded, Budget(bounds.held_bytes), bounds.unread_seconds),  # type: ignore[arg-type]  # as above
            ws_max_size=bounds.message_bytes,
            ws_per_message_deflate=False,  # a few bytes may not become many
            ws_ping_interval=_PING,
            ws_ping_timeout=None,  # a client that waits to be read answers none; how long it may be idle is bounded
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=round(bounds.idle_seconds),
            timeout_graceful_shutdown=round(_END),
            ssl_context_factory=None if self._context is None else self._given_context,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def start(self) -> None:
        """Take connections. From now on threads of this process take turns within microseconds."""
        sys.setswitchinterval(_TURN)
        self._thread.start()

    def stop(self) -> None:
        """Take no more, end what is open within seconds, and return."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(2 * _END)
        self._listener.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:
            logger.exception("the HTTP port ended")

    async def _serve(self) -> None:
        watching = asyncio.create_task(self._watch())
        await self._server.serve(sockets=[self._listener])
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching

    async def _watch(self) -> None:
        """Use new TLS files as they come: the next handshake gets them."""
        while self._tls is not None and self._context is not None:
            await asyncio.sleep(_LOOK)
            self._tls.renew(self._context)

    def _given_context(self, _config: uvicorn.Config, _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        assert self._context is not None
        return self._context
