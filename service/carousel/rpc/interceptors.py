"""What every call passes before and behind its service function."""

from collections.abc import Callable

from google.protobuf.message import DecodeError

from carousel.errors import CarouselError, GoingAway, InvalidRequest, Violation
from carousel.telemetry import RpcCounters
from carousel.transport import Call, Code, Status, Streaming, Unary
from carousel.wire import status_of


def fail(call: Call, error: CarouselError) -> None:
    """Answer with an error."""
    call.fail(Status(*status_of(error)))


class Gate:
    """Lets calls in until it is shut; those that still come are sent elsewhere, by a status that clients retry."""

    def __init__(self) -> None:
        self.shut = False

    def guard(self, function: Callable[..., None]) -> Callable[..., None]:
        """Serve a function while the gate is open."""

        def guarded(call: Call, *messages: bytes) -> None:
            if self.shut:
                raise GoingAway("the server is going away: another one will answer")
            function(call, *messages)

        return guarded


def secured(function: Callable[..., None]) -> Callable[..., None]:
    """Serve a function over TLS alone."""

    def guarded(call: Call, *messages: bytes) -> None:
        if call.secure:
            function(call, *messages)
        else:
            call.fail(Status(Code.UNAUTHENTICATED, f"{call.method} is served over TLS; this port is for health alone"))

    return guarded


def unary(function: Callable[[Call, bytes], None], counters: RpcCounters) -> Unary:
    """Serve a function of one message: it is counted, and the errors it raises become the call's status."""

    def guarded(call: Call, message: bytes) -> None:
        counters.started += 1
        try:
            function(call, message)
        except CarouselError as error:
            fail(call, error)
        except DecodeError:
            fail(call, not_a_message(call, message))

    return Unary(guarded)


def streaming(function: Callable[[Call], None], counters: RpcCounters) -> Streaming:
    """Serve a function of a stream: it is counted, and the errors it raises at once become the call's status."""

    def guarded(call: Call) -> None:
        counters.started += 1
        try:
            function(call)
        except CarouselError as error:
            fail(call, error)

    return Streaming(guarded)


def not_a_message(call: Call, message: bytes) -> InvalidRequest:
    """Say that the bytes are not the method's request."""
    found = f"{len(message)} bytes that are no request of {call.method}: client and server disagree on the proto"
    return InvalidRequest((Violation("message", found),))
