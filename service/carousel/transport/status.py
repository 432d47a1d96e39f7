"""How a call ended."""

from enum import IntEnum
from typing import NamedTuple

MAX_MESSAGE = 1500  # characters
MAX_DETAILS = 5000  # bytes
"""What `Call.fail` sends at most: clients refuse trailers past 8 KiB, and then see nothing of what was said."""


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


class Status(NamedTuple):
    """A gRPC status. `details` is a serialized google.rpc.Status, sent as the trailer `grpc-status-details-bin`.

    A message longer than `MAX_MESSAGE` is cut; details longer than `MAX_DETAILS` stay behind.
    """

    code: int
    message: str = ""
    details: bytes = b""
