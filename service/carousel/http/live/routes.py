"""What answers /v1/models/NAME/live, and the same of a version or a label."""

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from carousel.errors import CarouselError, Forbidden
from carousel.http.bodies import Bodies
from carousel.http.failures import ERROR, answer, failure
from carousel.http.live.conversation import Conversation
from carousel.http.live.holder import Holder
from carousel.http.rest import read_path
from carousel.serving import Catalog, Lifecycle, Opening, Sessions
from carousel.wire import trace_of

SUBPROTOCOL = "carousel.live"
"""What a client may name to say that it speaks this; one of a browser names its token beside it."""

_MODEL = "/v1/models/{model}"
PATHS = (f"{_MODEL}/live", f"{_MODEL}/versions/{{version}}/live", f"{_MODEL}/labels/{{label}}/live")


class Live:
    """The paths.

    Attributes:
        routes: What answers them.
    """

    def __init__(
        self,
        catalog: Catalog,
        sessions: Sessions,
        lifecycle: Lifecycle,
        bodies: Bodies,
        post: Callable[[Callable[[], None]], None],
        client_of: Callable[[HTTPConnection], str],
        *,
        seconds: float,
        origins: tuple[str, ...],
    ) -> None:
        """Answer them.

        Args:
            catalog: What is served.
            sessions: Where live sequences are held.
            lifecycle: Whether new ones are taken.
            bodies: What all messages that are not answered yet count among.
            post: Brings a function to the loop's thread.
            client_of: Says whose a connection is.
            seconds: That the first message may take.
            origins: Whose pages may connect from a browser, beside the server's own; "*" for all.
        """
        self._catalog = catalog
        self._sessions = sessions
        self._lifecycle = lifecycle
        self._bodies = bodies
        self._post = post
        self._client_of = client_of
        self._seconds = seconds
        self._origins = origins
        self.routes: list[BaseRoute] = [
            *(WebSocketRoute(path, self._serve) for path in PATHS),
            *(Route(path, _upgrade, methods=["GET"]) for path in PATHS),
        ]

    async def _serve(self, websocket: WebSocket) -> None:
        try:
            self._check_origin(websocket)
            path = read_path("GET", websocket.scope["raw_path"].decode("latin-1"))
        except CarouselError as error:
            websocket.scope[ERROR] = error
            await websocket.send_denial_response(failure(error))
            return
        await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None)
        conversation = Conversation(websocket, self._bodies, self._post, self._seconds)
        holder = Holder(
            self._catalog,
            self._sessions,
            self._lifecycle,
            Opening(path.name, path.version, path.label),
            self._client_of(websocket),
            trace_of(websocket.headers.items()),
            conversation.tell,
        )
        await conversation.run(holder)

    def _check_origin(self, websocket: WebSocket) -> None:
        """Refuse a browser that shows somebody else's page: unlike other requests, nothing but this stops it."""
        origin = websocket.headers.get("origin")
        if origin is None or "*" in self._origins or origin in self._origins:
            return
        if urlsplit(origin).netloc != websocket.headers.get("host"):
            raise Forbidden(f"pages of {origin[:256]} may not connect: see http_cors_origins")


async def _upgrade(_request: Request) -> Response:
    text = "live sequences are spoken here over WebSocket: connect to this path with ws:// or wss://"
    response = answer({"error": text}, 426)
    response.headers["upgrade"] = "websocket"
    return response
