"""What the log says of a request over HTTP."""

import time

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from carousel.errors import CarouselError
from carousel.http.doors import CLIENT
from carousel.http.failures import ERROR
from carousel.telemetry import Ended, RequestLog
from carousel.wire import trace_of

_CLOSED = 1000
"""As a WebSocket is closed in good order."""


class Told:
    """Tells the log of each request that `application` answered with an error, and of some others."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application
        self._log = RequestLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        began, status = time.monotonic(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", message.get("code", status))
            await send(message)

        await self._application(scope, receive, noting)
        if status >= 400 and status != _CLOSED:
            self._log.failed(_ended(scope, status, began))
        elif self._log.samples:
            self._log.succeeded(_ended(scope, status, began))


def _ended(scope: Scope, status: int, began: float) -> Ended:
    request = HTTPConnection(scope)
    error: CarouselError | None = scope.get(ERROR)
    trace = request.headers.get("traceparent")
    return Ended(
        method=f"{scope.get('method', 'WebSocket')} {scope['path'][:256]}",
        code=str(status),
        reason="" if error is None else type(error).__name__,
        message="" if error is None else error.message,
        model=str(scope.get("path_params", {}).get("model", "")),
        id=request.headers.get("x-request-id", ""),
        trace=trace_of((("traceparent", trace),)) if trace else "",
        peer="" if request.client is None else f"{request.client.host}:{request.client.port}",
        client=scope.get(CLIENT, ""),
        seconds=time.monotonic() - began,
    )
