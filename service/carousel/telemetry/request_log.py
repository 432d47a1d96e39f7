"""One line for each request that failed, of every protocol; for the others one in a hundred, at level debug."""

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from carousel.telemetry.logs import fields

logger = logging.getLogger("carousel.requests")

_SAMPLED = 100  # of so many requests that succeeded, one is told of
_MAX_LINES = 50  # a second: a flood of refusals may not become a flood of lines
_MAX_TEXT = 256  # characters of what a client sent, or of an error that repeats it


class Ended(NamedTuple):
    """A request that is over.

    Attributes:
        method: The rpc, or HTTP's method and path.
        code: As gRPC codes are named, or HTTP's number.
        reason: The name of the error; "" where it succeeded, or where the client left.
        message: The error's sentence.
        model: The model's name, as far as it was read.
        id: What the client calls the request, in its message or by `x-request-id`.
        trace: The id of its trace.
        peer: The client's address.
        client: Whose share it has.
        seconds: From its first byte to its answer.
    """

    method: str
    code: str
    reason: str = ""
    message: str = ""
    model: str = ""
    id: str = ""
    trace: str = ""
    peer: str = ""
    client: str = ""
    seconds: float = 0.0


class RequestLog:
    """Writes the lines, within a bound: what is left out is counted, and the next line says how many."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._second = 0
        self._lines = self._left_out = self._succeeded = 0

    @property
    def samples(self) -> bool:
        """Whether a request that succeeded is told of now; asking counts it."""
        if not logger.isEnabledFor(logging.DEBUG):
            return False
        self._succeeded += 1
        return self._succeeded % _SAMPLED == 1

    def succeeded(self, ended: Ended) -> None:
        """Tell of a request that succeeded."""
        logger.debug("%s", ended.method, extra=_fields(ended))

    def failed(self, ended: Ended) -> None:
        """Tell of a request that failed; a fault of the server's is a warning."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > _MAX_LINES:
            self._left_out += 1
            return
        more = {"left_out": self._left_out} if self._left_out else {}
        self._left_out = 0
        level = logging.WARNING if ended.code in {"INTERNAL", "UNKNOWN", "500"} else logging.INFO
        logger.log(level, "%s: %s", ended.method, _cut(ended.message or ended.code), extra=_fields(ended, **more))


def _fields(ended: Ended, **more: int) -> dict[str, object]:
    named = ended._asdict()
    for known in ("message", "method"):  # these are the line's own words
        del named[known]
    seconds = named.pop("seconds")
    return fields(
        **{name: _cut(value) for name, value in named.items() if value}, duration_seconds=round(seconds, 6), **more
    )


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "..."
