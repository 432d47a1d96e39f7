"""Errors to gRPC statuses and back, in one table."""

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status as RichStatus
from grpc import StatusCode

from carousel import errors
from carousel.errors import CarouselError, InvalidRequest, Overloaded, Violation

DOMAIN = "carousel"

DETAILS_BUDGET = 4096  # bytes
"""What `status_of` writes at most: clients refuse trailers past 8 KiB, and then see nothing of what was said."""

_MAX_TEXT = 1024  # bytes of UTF-8, of the message and of each violation in the details

_CODES: dict[type[CarouselError], StatusCode] = {
    errors.InvalidRequest: StatusCode.INVALID_ARGUMENT,
    errors.ModelNotFound: StatusCode.NOT_FOUND,
    errors.SignatureNotFound: StatusCode.FAILED_PRECONDITION,
    errors.NotStateful: StatusCode.FAILED_PRECONDITION,
    errors.SnapshotRefused: StatusCode.INVALID_ARGUMENT,
    errors.SessionExpired: StatusCode.NOT_FOUND,
    errors.Overloaded: StatusCode.RESOURCE_EXHAUSTED,
    errors.Unauthenticated: StatusCode.UNAUTHENTICATED,
    errors.Forbidden: StatusCode.PERMISSION_DENIED,
    errors.GoingAway: StatusCode.UNAVAILABLE,
    errors.DeadlineExceeded: StatusCode.DEADLINE_EXCEEDED,
    errors.Cancelled: StatusCode.CANCELLED,
    errors.EngineFault: StatusCode.INTERNAL,
    errors.ServerFault: StatusCode.INTERNAL,
    errors.ModelRejected: StatusCode.FAILED_PRECONDITION,
    errors.Unreachable: StatusCode.UNAVAILABLE,
}


def _packed(detail: Message) -> Any:
    packed = Any()
    packed.Pack(detail)
    return packed


_FRAMING = 4  # bytes that protobuf puts before a field of at most 16 KiB
_PACKING = len(_packed(BadRequest()).SerializeToString()) + 2 * _FRAMING
_REASONS = {error: _packed(ErrorInfo(reason=error.__name__, domain=DOMAIN)) for error in _CODES}
_BY_NAME = {error.__name__: error for error in _CODES}
_BY_CODE: dict[int, type[CarouselError]] = {
    code.value[0]: error
    for code, error in {
        StatusCode.NOT_FOUND: errors.ModelNotFound,
        StatusCode.RESOURCE_EXHAUSTED: errors.Overloaded,
        StatusCode.UNAUTHENTICATED: errors.Unauthenticated,
        StatusCode.PERMISSION_DENIED: errors.Forbidden,
        StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
        StatusCode.CANCELLED: errors.Cancelled,
        StatusCode.INTERNAL: errors.EngineFault,
        StatusCode.UNAVAILABLE: errors.Unreachable,
    }.items()
}


def code_of(error: CarouselError) -> StatusCode:
    """Say which gRPC code an error travels as."""
    return _CODES[type(error)]


def status_of(error: CarouselError) -> tuple[int, str, bytes]:
    """Write an error as a gRPC status: code, message, and a serialized google.rpc.Status.

    The details say the error's name, its violations, and when to come back. They hold as much of the
    texts and violations as `DETAILS_BUDGET` allows, and always the name.
    """
    code = code_of(error).value[0]
    rich = RichStatus(code=code, message=_cut(error.message), details=[_REASONS[type(error)]])
    if isinstance(error, InvalidRequest):
        faults = _fitting(error.violations, DETAILS_BUDGET - rich.ByteSize() - _PACKING)
        rich.details.append(_packed(BadRequest(field_violations=faults)))
    if isinstance(error, Overloaded):
        seconds, nanos = divmod(int(error.retry_after * 1e9), 10**9)
        rich.details.append(_packed(RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos))))
    return code, error.message, rich.SerializeToString()


def _fitting(violations: tuple[Violation, ...], room: int) -> list[Message]:
    """Write the first violations, as many as `room` bytes hold, and at least one."""
    faults: list[Message] = []
    for violation in violations:
        fault = BadRequest.FieldViolation(field=_cut(violation.field), description=_cut(violation.description))
        room -= fault.ByteSize() + _FRAMING
        if room < 0:
            break
        faults.append(fault)
    return faults


def _cut(text: str) -> str:
    """Give the beginning of a text, at most `_MAX_TEXT` bytes of UTF-8 in whole characters."""
    return text[:_MAX_TEXT].encode(errors="replace")[:_MAX_TEXT].decode(errors="ignore")


def error_of(code: int, message: str, details: bytes = b"") -> CarouselError:
    """Read a gRPC status, with serialized google.rpc.Status details if there are any, as the error it was.

    A status that Carousel did not write becomes the class nearest to its code, or CarouselError itself.
    """
    rich = RichStatus.FromString(details)
    reason, violations, retry_after = "", [], 1.0
    name, bad, retry = ErrorInfo(), BadRequest(), RetryInfo()
    for detail in rich.details:
        if detail.Unpack(name):
            reason = name.reason
        elif detail.Unpack(bad):
            violations = [Violation(v.field, v.description) for v in bad.field_violations]
        elif detail.Unpack(retry):
            retry_after = retry.retry_delay.ToNanoseconds() / 1e9
    if violations:
        return InvalidRequest(tuple(violations))
    error = named(reason, code, message)
    if isinstance(error, Overloaded):
        error.retry_after = retry_after
    return error


def named(reason: str, code: int, message: str) -> CarouselError:
    """Make the error of this name; where the name says nothing, that nearest to the gRPC code, or CarouselError itself.

    Several violations in one message become one.
    """
    kind: type[CarouselError] = _BY_NAME.get(reason) or _BY_CODE.get(code, CarouselError)
    if kind is InvalidRequest:
        field, _, description = message.partition(": ")
        return InvalidRequest((Violation(field, description),))
    return kind(message)
