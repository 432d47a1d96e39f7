"""Everything that Carousel refuses or fails at, one class a reason.

    CarouselError
    ├── InvalidRequest            the request is wrong; every fault named by field
    ├── ModelNotFound             no such model or version is served
    ├── SignatureNotFound         the model has no signature of this name
    ├── NotStateful               the model cannot be cut in time: no states, no live sequences
    ├── SnapshotRefused           a state is damaged, of another model, or of the wrong shape
    ├── SessionExpired            a live sequence was idle for too long
    ├── Overloaded                the work would not be done in time; says when to come back
    ├── Unauthenticated           no token, or one that is not known or has ended
    ├── Forbidden                 a token that is not for this
    ├── GoingAway                 the server is draining or the version is being unloaded
    ├── DeadlineExceeded          the deadline passed before the answer was ready
    ├── Cancelled                 the client went away
    ├── EngineFault               the engine failed under this sequence
    ├── ServerFault               the server failed where it should not: a bug, and its log has the traceback
    ├── ModelRejected             a model on disk cannot be served
    └── Unreachable               raised by the client alone: no server answered

Errors carry no transport: `carousel.wire.error_codes` maps them to gRPC codes, and the client raises these classes.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One fault of a request: the path of the field, or "", and what came against what was expected."""

    field: str
    description: str

    def __str__(self) -> str:
        return f"{self.field}: {self.description}" if self.field else self.description


_SHOWN = 64  # characters of a name that are repeated


def shortened(name: str) -> str:
    """Keep the beginning of a name that a client sent: an error repeats it, and it may be of any length."""
    return name if len(name) <= _SHOWN else name[:_SHOWN] + "..."


class CarouselError(Exception):
    """The root of the tree. Its message is written for the person who reads it, and never names graph internals."""

    @property
    def message(self) -> str:
        """The sentence this error says."""
        return str(self.args[0]) if self.args else type(self).__name__


MAX_VIOLATIONS = 20
"""Faults of one request that are listed: a message of a million faults is answered in a few lines all the same."""


class InvalidRequest(CarouselError):
    """The request is wrong. `violations` names every fault at once, the first MAX_VIOLATIONS of them."""

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        listed = violations[:MAX_VIOLATIONS]
        more = len(violations) - len(listed)
        super().__init__("; ".join(map(str, listed)) + (f"; and {more} more faults" if more else ""))
        self.violations = listed


class ModelNotFound(CarouselError):
    """No such model or version is served."""


class SignatureNotFound(CarouselError):
    """The model has no signature of this name."""


class NotStateful(CarouselError):
    """The model cannot be cut in time, so it has no states to give or take and cannot be live."""


class SnapshotRefused(CarouselError):
    """A state is damaged, belongs to another model, or has the wrong shape."""


class SessionExpired(CarouselError):
    """A live sequence was idle for too long and its state is gone."""


class Overloaded(CarouselError):
    """The work would not be done in time. `retry_after` says, in seconds, when to come back."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unauthenticated(CarouselError):
    """A token is needed and none came, or one that is not known, has ended, or is not signed as it should be."""


class Forbidden(CarouselError):
    """The token is known, and not for this."""


class GoingAway(CarouselError):
    """The server is draining, or the version is being unloaded: another server will answer."""


class DeadlineExceeded(CarouselError):
    """The deadline passed before the answer was ready."""


class Cancelled(CarouselError):
    """The client went away before the answer was ready."""


class EngineFault(CarouselError):
    """The engine failed under this sequence; the log knows why, under the id in the message."""


class ServerFault(CarouselError):
    """The server failed where it should not; the log has the traceback, under the id in the message."""


class ModelRejected(CarouselError):
    """A model on disk cannot be served: a file is missing, damaged or of a kind that is not served."""


class Unreachable(CarouselError):
    """No server answered. Raised by the client alone."""
