"""What answers the page: its files, and one document of what there is to show."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from carousel.http.bridge import Bridge
from carousel.http.failures import answer, answering_errors
from carousel.http.page.described import counted, described
from carousel.serving import Catalog
from carousel.telemetry import Readings, version

_FILES = Path(__file__).parent / "static"
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


class Page:
    """The page.

    Attributes:
        routes: What answers it.
    """

    def __init__(self, bridge: Bridge, catalog: Catalog, readings: Callable[[], Readings], grpc_port: int) -> None:
        """Show what is in the catalog; `readings` may block, `grpc_port` is where gRPC is answered."""
        self._bridge = bridge
        self._catalog = catalog
        self._readings = readings
        self._grpc_port = grpc_port
        self.routes: list[BaseRoute] = [Route("/page/state", answering_errors(self._state))]
        for file in sorted(_FILES.iterdir()):
            path = "/" if file.name == "index.html" else f"/page/{file.name}"
            self.routes.append(Route(path, _file(file.read_bytes(), _KINDS[file.suffix])))

    async def _state(self, _request: Request) -> Response:
        readings = await asyncio.to_thread(self._readings)
        models = await self._bridge.ask(
            lambda: [described(model, self._catalog.labels.get(model.version.name, {})) for model in self._catalog]
        )
        numbers = {(each.name, each.version): counted(each) for each in readings.models}
        for model in models:
            model["counted"] = numbers.get((model["name"], model["version"]))
        return answer(
            {
                "carousel": version(),
                "at": time.monotonic(),
                "serving": readings.serving,
                "open_calls": readings.open_calls,
                "grpc_port": self._grpc_port,
                "models": models,
            }
        )


def _file(content: bytes, kind: str) -> Callable[[Request], Response]:
    headers = {**_HEADERS, "content-type": f"{kind}; charset=utf-8"}
    return lambda _request: Response(content, headers=headers)
