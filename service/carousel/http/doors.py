"""Tokens and scopes before everything that is served over HTTP."""

from base64 import urlsafe_b64decode
from contextlib import suppress

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from carousel.access import Access
from carousel.access import Scope as May
from carousel.errors import CarouselError, Forbidden
from carousel.http.failures import ERROR, failure

_OPEN = frozenset({"/livez", "/readyz", "/v2/health/live", "/v2/health/ready", "/openapi.json"})
_METRICS = frozenset({"/metrics", "/monitoring/prometheus/metrics"})
_CHANGING = ("/v2/repository/models/", "sharedmemory", "/trace", "/logging")  # a path that holds one changes something

_BEARER = "base64url.bearer.authorization."
"""A subprotocol that begins so, of a WebSocket, goes on with a token in unpadded base64url, as Kubernetes takes it."""

CLIENT = "carousel.client"
"""Under this name the ASGI scope says whose token came."""


class Doors:
    """Lets a request through if its token is for what it asks; probes and the page's files need none."""

    def __init__(self, application: ASGIApp, access: Access, *, admin_is_local: bool) -> None:
        """With `admin_is_local` nothing that changes models is served here."""
        self._application = application
        self._access = access
        self._admin_is_local = admin_is_local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] in {"http", "websocket"} and not _open(scope["path"]):
            try:
                self._check(scope)
            except CarouselError as error:
                scope[ERROR] = error
                await failure(error)(scope, receive, send)
                return
        await self._application(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        may = _may(scope["path"])
        if may is May.ADMIN and self._admin_is_local:
            raise Forbidden("what changes models is served over gRPC, on the server's admin_socket alone")
        client = self._access.check(_authorization(scope), may)
        if client:
            scope[CLIENT] = f"token:{client}"


def _authorization(scope: Scope) -> str | None:
    """Read the header, or what a browser's WebSocket, which cannot send it, says instead."""
    for offered in scope.get("subprotocols", ()):
        if offered.startswith(_BEARER):
            token = offered.removeprefix(_BEARER)
            with suppress(ValueError):
                return "Bearer " + urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    return HTTPConnection(scope).headers.get("authorization")


def _open(path: str) -> bool:
    """Say whether a path is anyone's: the probes, and what is the same on every server."""
    return path in _OPEN or path == "/" or (path.startswith("/page/") and path.endswith((".js", ".css")))


def _may(path: str) -> May:
    """Say which scope a path needs: what is not known here is as a prediction."""
    if path in _METRICS:
        return May.METRICS
    return May.ADMIN if any(part in path for part in _CHANGING) else May.PREDICT
