"""The document put together, and the path that serves it."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from carousel.http.documents import write_document
from carousel.http.openapi.operations import paths
from carousel.http.openapi.schemas import SCHEMAS
from carousel.telemetry import version


def document() -> dict[str, Any]:
    """Describe everything that is served over HTTP. What is off by a setting is described too."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Carousel",
            "version": version(),
            "summary": "Sequences in, what LSTMs make of them out.",
            "description": "TensorFlow Serving's REST interface, the Open Inference Protocol, and live sequences.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"bearer": []}],
        "paths": paths(),
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


class OpenApi:
    """The path.

    Attributes:
        routes: What answers it.
    """

    def __init__(self) -> None:
        written = write_document(document())

        def give(_request: Request) -> Response:
            return Response(written, media_type="application/json")

        self.routes: list[BaseRoute] = [Route("/openapi.json", give)]
