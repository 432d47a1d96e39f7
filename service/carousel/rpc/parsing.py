"""A message is measured before it is parsed: no sender makes the parser build millions of messages or numbers."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TypeVar

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from carousel.errors import InvalidRequest, Violation

M = TypeVar("M", bound=Message)

_SMALL = 64 << 10
"""Bytes that are parsed unmeasured: in the worst case some 30,000 little messages, a few milliseconds."""

_MAX_FIELDS = 40_000
"""Fields in a message, those inside its messages included: some ten for each of 4096 sequences."""

_MAX_NUMBERS = 1 << 20
"""Varints in the lists of a message: one byte each on the wire, up to eight in memory, and some 30 ns of parsing."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_LONGEST = 10  # bytes of a varint

_FIXED = {
    FieldDescriptor.TYPE_FLOAT,
    FieldDescriptor.TYPE_DOUBLE,
    FieldDescriptor.TYPE_FIXED32,
    FieldDescriptor.TYPE_FIXED64,
    FieldDescriptor.TYPE_SFIXED32,
    FieldDescriptor.TYPE_SFIXED64,
}
_BYTES = {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_MESSAGE}


def parse(kind: type[M], message: bytes) -> M:
    """Parse the bytes of a message of this kind.

    Raises:
        InvalidRequest: They are no such message, or hold more fields or numbers than any request needs.
    """
    if len(message) > _SMALL:
        _measure(message, kind)
    try:
        return kind.FromString(message)
    except DecodeError as error:
        name = kind.DESCRIPTOR.full_name
        found = f"{len(message)} bytes that are no {name}: client and server disagree on the proto"
        raise InvalidRequest((Violation("message", found),)) from error


def locate(message: bytes, path: tuple[int, ...]) -> tuple[int, int] | None:
    """Find where the content of one field stands in a message that was parsed; None unless it is there just once.

    Args:
        message: The bytes.
        path: The numbers of the fields, from the message inwards; all but the last are messages.

    Returns:
        Where its first byte stands, and where the one after its last does.
    """
    begin, end = 0, len(message)
    for number in path:
        found = [place for each, *place in _contents(memoryview(message)[:end], begin) if each == number]
        if len(found) != 1:
            return None
        ((begin, end),) = found
    return begin, end


def _contents(data: memoryview, at: int) -> list[tuple[int, int, int]]:
    """List the fields that have a length, from `at` on: number, begin and end of each. None of them beside a group."""
    contents = []
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _LENGTH:
            size, at = _varint(data, at)
            contents.append((tag >> 3, at, at + size))
            at += size
        elif kind == _VARINT:
            _, at = _varint(data, at)
        elif kind in {_FIXED64, _FIXED32}:
            at += 8 if kind == _FIXED64 else 4
        else:
            return []
    return contents


def _measure(message: bytes, kind: type[Message]) -> None:
    """Refuse more than _MAX_FIELDS fields or _MAX_NUMBERS varints. What is malformed is left to the parser."""
    numbers = 0
    for count, varints in enumerate(_fields(memoryview(message), kind.DESCRIPTOR), 1):
        numbers += varints
        if count > _MAX_FIELDS:
            found = f"holds more than {_MAX_FIELDS} fields; expected one tensor a sequence, and few of them"
            raise InvalidRequest((Violation("message", found),))
        if numbers > _MAX_NUMBERS:
            found = f"holds more than {_MAX_NUMBERS} numbers in lists; expected so many as raw bytes"
            raise InvalidRequest((Violation("message", found),))


@cache
def _inside(descriptor: object) -> tuple[Mapping[int, object], frozenset[int]]:
    """Give the fields of a kind of message that hold messages, by number, and those that are lists of varints."""
    fields = descriptor.fields  # type: ignore[attr-defined]
    messages = {field.number: field.message_type for field in fields if field.message_type is not None}
    return messages, frozenset(f.number for f in fields if f.is_repeated and f.type not in _FIXED | _BYTES)


def _fields(data: memoryview, descriptor: object) -> Iterator[int]:
    """Go through the fields of a message and of the messages inside it; give how many varints each list has."""
    inner, lists = _inside(descriptor)
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        varints = 0
        if kind == _LENGTH:
            size, at = _varint(data, at)
            if (message := inner.get(number)) is not None:
                yield from _fields(data[at : at + size], message)
            elif number in lists:
                varints = _count(data[at : at + size])
            at += size
        elif kind == _VARINT:
            _, at = _varint(data, at)
        elif kind in {_FIXED64, _FIXED32}:
            at += 8 if kind == _FIXED64 else 4
        else:
            return  # a group, or no protobuf: the parser will say
        yield varints


def _count(data: memoryview) -> int:
    """Count the varints of a list, or enough of them: the last byte of each is less than 0x80."""
    enough = data[: _LONGEST * (_MAX_NUMBERS + 1)]
    return int(np.count_nonzero(np.frombuffer(enough, np.uint8) < 0x80))


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
