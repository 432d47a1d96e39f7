"""Everything that is served over HTTP, put together."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

from carousel.access import Access
from carousel.http.bodies import Bodies
from carousel.http.bridge import Bridge
from carousel.http.clients import client_of
from carousel.http.doors import Doors
from carousel.http.failures import answer
from carousel.http.live import Live
from carousel.http.openapi import OpenApi
from carousel.http.page import Page
from carousel.http.probes import Probes
from carousel.http.rest import Rest
from carousel.http.told import Told
from carousel.http.v2 import OpenInference
from carousel.oip import Infer, Repository
from carousel.serving import Catalog, Lifecycle, Limits, Requests, Sessions
from carousel.telemetry import Readings
from carousel.telemetry.prometheus import exposition


@dataclass(frozen=True, slots=True)
class Options:
    """How it is served.

    Attributes:
        max_body_bytes: Of one request, inflated.
        seconds: After which a request is given up; 0 for never. Its body has to come in that time too.
        client_header: The header that names a client, for fair shares; None for its address.
        cors_origins: Whose pages may call it from a browser; "*" for all.
        repository_control: Whether models are loaded and unloaded by request.
        admin_is_local: Whether what changes things is not served here at all.
        page: Whether there is one to look at.
        tensorflow_serving_metrics: Whether metrics are there by its names too.
    """

    max_body_bytes: int
    seconds: float
    client_header: str | None = None
    cors_origins: tuple[str, ...] = ()
    repository_control: bool = False
    admin_is_local: bool = False
    page: bool = True
    tensorflow_serving_metrics: bool = False


def site(
    catalog: Catalog,
    sessions: Sessions,
    requests: Requests,
    lifecycle: Lifecycle,
    limits: Limits,
    options: Options,
    infer: Infer,
    repository: Repository,
    access: Access,
    *,
    post: Callable[[Callable[[], None]], None],
    serving: Callable[[], bool],
    readings: Callable[[], Readings],
    grpc_port: int,
) -> Starlette:
    """Put the application together.

    `post` brings a function to the loop's thread, to which the first four belong; `serving` says there whether
    requests can be answered; `readings` copies every number, and may block.
    """
    bridge = Bridge(post, requests, lifecycle)
    bodies = Bodies(options.max_body_bytes, limits.held_bytes, options.seconds or 30.0)
    whose = partial(client_of, options.client_header)
    page = Page(bridge, catalog, readings, grpc_port).routes if options.page else []
    cors = Middleware(
        CORSMiddleware, allow_origins=options.cors_origins, allow_methods=("GET", "POST"), allow_headers=("*",)
    )
    doors = Middleware(Doors, access=access, admin_is_local=options.admin_is_local)
    metrics = exposition(readings, aliases=options.tensorflow_serving_metrics)
    return Starlette(
        routes=[
            *Probes(bridge, lifecycle, serving, metrics).routes,
            *OpenApi().routes,
            *page,
            *Live(
                catalog,
                sessions,
                lifecycle,
                bodies,
                post,
                whose,
                seconds=options.seconds or bodies.seconds,
                origins=options.cors_origins,
            ).routes,
            *Rest(bridge, catalog, bodies, limits, whose, options.seconds).routes,
            *OpenInference(
                bridge,
                catalog,
                bodies,
                limits,
                infer,
                repository,
                serving,
                whose,
                seconds=options.seconds,
                control=options.repository_control,
            ).routes,
        ],
        # A browser asks by a preflight, without a token, whether it may send one: CORS stands before the doors.
        middleware=[Middleware(Told), *([cors] if options.cors_origins else []), doors],
        exception_handlers={HTTPException: _unknown},
    )


async def _unknown(request: Request, error: Exception) -> Response:
    """Answer what no route takes."""
    assert isinstance(error, HTTPException)
    text = f"there is no {request.method} {request.url.path[:256]} here" if error.status_code == 404 else error.detail
    response = answer({"error": text}, error.status_code)
    response.headers.update(error.headers or {})
    return response
