"""How a call ended."""

from enum import IntEnum
from typing import NamedTuple

MAX_MESSAGE = 1500  # bytes, as gRPC encodes them: every byte but printable ASCII takes three
MAX_DETAILS = 5000  # bytes
"""What `Call.fail` sends at most: clients refuse trailers past 8 KiB, and then see nothing of what was said."""

_TRUNCATED = "...TRUNCATED"
"""How a message that is cut ends, as TensorFlow Serving's does; its clients look for that."""

_PLAIN = frozenset(range(0x20, 0x7F)) - {ord("%")}  # the bytes that gRPC sends as they are


class Code(IntEnum):
    """gRPC's status codes, as they go over the wire."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16

    __hash__ = int.__hash__  # each call's code is looked up; an enumeration's own hash is a function in Python


class Status(NamedTuple):
    """A gRPC status. `details` is a serialized google.rpc.Status, sent as the trailer `grpc-status-details-bin`.

    A message that needs more than `MAX_MESSAGE` is cut; details longer than `MAX_DETAILS` stay behind.
    """

    code: int
    message: str = ""
    details: bytes = b""


def cut(message: str) -> str:
    """Give as much of a message as fits into `MAX_MESSAGE` bytes once it is percent-encoded, in whole characters.

    gRPC's encoding: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses. A lone surrogate, which
    UTF-8 cannot say, becomes a question mark. One that was cut says so at its end.
    """
    content = message[: MAX_MESSAGE + 1].encode(errors="replace")
    size = kept = 0
    for end, byte in enumerate(content):
        size += 1 if byte in _PLAIN else 3
        if size <= MAX_MESSAGE - len(_TRUNCATED):
            kept = end + 1
        elif size > MAX_MESSAGE:
            return content[:kept].decode(errors="ignore") + _TRUNCATED
    return content.decode()
