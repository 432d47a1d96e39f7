"""A message is measured before it is parsed: no sender makes the parser build millions of little messages."""

from collections.abc import Iterator
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from carousel.errors import InvalidRequest, Violation

M = TypeVar("M", bound=Message)

_SMALL = 64 << 10
"""Bytes that are parsed unmeasured: in the worst case some 30,000 little messages, a few milliseconds."""

_MAX_FIELDS = 40_000
"""Fields in a message, those inside its messages included: some ten for each of 4096 sequences."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def parse(kind: type[M], message: bytes) -> M:
    """Parse the bytes of a message of this kind.

    Raises:
        InvalidRequest: They are no such message, or hold more fields than any request needs.
    """
    if len(message) > _SMALL:
        _measure(message, kind)
    try:
        return kind.FromString(message)
    except DecodeError as error:
        name = kind.DESCRIPTOR.full_name
        found = f"{len(message)} bytes that are no {name}: client and server disagree on the proto"
        raise InvalidRequest((Violation("message", found),)) from error


def _measure(message: bytes, kind: type[Message]) -> None:
    """Raise InvalidRequest once more than _MAX_FIELDS fields are found. What is malformed is left to the parser."""
    for count, _ in enumerate(_fields(memoryview(message), kind.DESCRIPTOR), 1):
        if count > _MAX_FIELDS:
            found = f"holds more than {_MAX_FIELDS} fields; expected one tensor a sequence, and few of them"
            raise InvalidRequest((Violation("message", found),))


def _fields(data: memoryview, descriptor: object) -> Iterator[None]:
    """Go through the fields of a message and of the messages inside it, without reading what they hold."""
    inner = {f.number: f.message_type for f in descriptor.fields if f.message_type is not None}  # type: ignore[attr-defined]
    at, end = 0, len(data)
    while at < end:
        yield
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _LENGTH:
            size, at = _varint(data, at)
            if (message := inner.get(tag >> 3)) is not None:
                yield from _fields(data[at : at + size], message)
            at += size
        elif kind == _VARINT:
            _, at = _varint(data, at)
        elif kind in {_FIXED64, _FIXED32}:
            at += 8 if kind == _FIXED64 else 4
        else:
            return  # a group, or no protobuf: the parser will say


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:  # 64 bits at most
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return value, at
