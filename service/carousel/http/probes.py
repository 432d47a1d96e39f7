"""What Kubernetes and Prometheus ask: does it live, is it ready, what has it counted."""

import asyncio
import gzip
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from carousel.http.bridge import Bridge
from carousel.serving import Lifecycle, Phase

_PATIENCE = 5.0  # seconds that the loop has to give a sign of life

Exposition = Callable[[str], tuple[bytes, str]]
"""Writes every metric in the form that an Accept header asks for; gives the text and its content type. May block."""


class Probes:
    """The paths.

    Attributes:
        routes: What answers them.
    """

    def __init__(
        self, bridge: Bridge, lifecycle: Lifecycle, serving: Callable[[], bool], exposition: Exposition
    ) -> None:
        """Answer them; `serving` says on the loop's thread whether requests can be answered."""
        self._bridge = bridge
        self._lifecycle = lifecycle
        self._serving = serving
        self._exposition = exposition
        self.routes: list[BaseRoute] = [
            Route("/livez", self._live),
            Route("/readyz", self._ready),
            Route("/metrics", self._metrics),
            Route("/monitoring/prometheus/metrics", self._metrics),  # where TensorFlow Serving has them
        ]

    async def _live(self, _request: Request) -> Response:
        """Say whether the loop turns."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._bridge.ask(lambda: None)
        except TimeoutError:
            return PlainTextResponse(f"the loop has stood still for {_PATIENCE:g} s\n", 503)
        return PlainTextResponse("ok\n")

    async def _ready(self, _request: Request) -> Response:
        """Say whether requests are answered here, and will be for a while."""
        phase, serving = await self._bridge.ask(lambda: (self._lifecycle.phase, self._serving()))
        if phase is Phase.SERVING and serving:
            return PlainTextResponse("ok\n")
        why = "no model is served" if phase is Phase.SERVING else f"the server is {phase.value}"
        return PlainTextResponse(f"{why}\n", 503)

    async def _metrics(self, request: Request) -> Response:
        accepted = request.headers.get("accept-encoding", "")
        text, kind = await asyncio.to_thread(self._exposition, request.headers.get("accept", ""))
        headers = {"content-type": kind}
        if "gzip" in accepted:
            text, headers["content-encoding"] = await asyncio.to_thread(gzip.compress, text, 1), "gzip"
        return Response(text, headers=headers)
