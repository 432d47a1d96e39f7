"""Errors as HTTP answers: a code, and a document whose one key is "error"."""

import math
from collections.abc import Awaitable, Callable

from grpc import StatusCode
from starlette.requests import Request
from starlette.responses import Response

from carousel.errors import CarouselError, Overloaded
from carousel.http.documents import write_document
from carousel.serving import unexpected
from carousel.wire import code_of

_CODES = {
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.NOT_FOUND: 404,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.CANCELLED: 499,
    StatusCode.INTERNAL: 500,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DEADLINE_EXCEEDED: 504,
}
"""As TensorFlow Serving turns codes into HTTP's."""

ERROR = "carousel.error"
"""Under this name the ASGI scope holds the error that a request failed with, for the log."""

Handler = Callable[[Request], Awaitable[Response]]


def answer(document: object, status: int = 200) -> Response:
    """Answer with a JSON document."""
    return Response(write_document(document), status, media_type="application/json")


def failure(error: CarouselError) -> Response:
    """Answer with an error."""
    response = answer({"error": error.message}, _CODES[code_of(error)])
    if isinstance(error, Overloaded):
        response.headers["retry-after"] = str(math.ceil(error.retry_after))
    return response


def answering_errors(handler: Handler) -> Handler:
    """Answer with the errors that a handler raises; what is no CarouselError is a bug, and is answered as one."""

    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except CarouselError as raised:
            error = raised
        except Exception as bug:  # noqa: BLE001 - whatever a bug raises ends this request, and nothing else
            error = unexpected(bug, f"{request.method} {request.url.path} failed")
        request.scope[ERROR] = error
        return failure(error)

    return guarded
