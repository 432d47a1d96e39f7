"""A message is measured before it is parsed: no sender makes the parser build millions of messages or numbers."""

from collections.abc import Mapping
from contextlib import suppress
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

_FEW_FIELDS = 40
"""Fields in a message that are gone through one by one, where nothing but a short message is looked for."""

_MAX_NUMBERS = 1 << 20
"""Varints in the lists of a message: one byte each on the wire, up to eight in memory, and some 30 ns of parsing."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5  # how a value is written
_SIZES = {1: 8, 5: 4, 3: 0, 4: 0}  # bytes of the values of a fixed size; the begin and the end of a group have none
_NUMBERS = object()  # what a list of varints holds
_LONGEST = 10  # bytes of a varint
_MORE = 0x80  # a byte from here on is not the last of its varint

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
    """Find where the content of one field stands in a message that was parsed.

    Args:
        message: The bytes.
        path: The numbers of the fields, from the message inwards; all but the last are messages.

    Returns:
        Where its first byte stands, and where the one after its last does; None unless it is there just once, among at
        most _FEW_FIELDS others, none of them a group.
    """
    begin, end = 0, len(message)
    for number in path:
        found = [place for each, *place in _contents(message, begin, end) if each == number]
        if len(found) != 1:
            return None
        ((begin, end),) = found
    return begin, end


def _contents(message: bytes, at: int, end: int) -> list[tuple[int, int, int]]:
    """List the fields that have a length: number, begin and end of each; none beside a group or too many others."""
    contents: list[tuple[int, int, int]] = []
    for _ in range(_FEW_FIELDS):
        if at >= end:
            return contents
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _LENGTH:
            size, at = _varint(message, at)
            contents.append((tag >> 3, at, at + size))
            at += size
        elif kind == _VARINT:
            _, at = _varint(message, at)
        elif kind in {_FIXED64, _FIXED32}:
            at += _SIZES[kind]
        else:
            break
    return []


def _measure(message: bytes, kind: type[Message]) -> None:
    """Refuse more than _MAX_FIELDS fields or _MAX_NUMBERS varints, also where a part is malformed.

    This runs on every large message, before anything is known of it: the plain loop takes a third of what functions
    and generators would.
    """
    fields = numbers = 0
    todo = [(0, len(message), _inside(kind.DESCRIPTOR))]
    while todo:
        at, end, inside = todo.pop()
        with suppress(
            IndexError
        ):  # this part is cut off, or no protobuf: the parser will say, once it has built the rest
            while at < end:
                fields += 1
                tag = message[at]
                at += 1
                if tag >= _MORE:
                    tag, at = _varint(message, at - 1)
                if tag & 7 == _LENGTH:
                    size = message[at]
                    at += 1
                    if size >= _MORE:
                        size, at = _varint(message, at - 1)
                    holds = inside.get(tag >> 3)
                    if holds is _NUMBERS:
                        numbers += _count(message, at, at + size)
                    elif holds is not None and size:
                        todo.append((at, at + size, _inside(holds)))
                    at += size
                else:
                    at = _behind(message, at, tag & 7)
                if fields > _MAX_FIELDS or numbers > _MAX_NUMBERS:
                    raise _too_many(fields)


@cache
def _inside(descriptor: object) -> Mapping[int, object]:
    """Say of a kind of message, by field number, which hold messages, and of which kind, and which lists of varints."""
    inside: dict[int, object] = {}
    for field in descriptor.fields:  # type: ignore[attr-defined]
        if field.message_type is not None:
            inside[field.number] = field.message_type
        elif field.is_repeated and field.type not in _FIXED | _BYTES:
            inside[field.number] = _NUMBERS
    return inside


def _count(message: bytes, begins: int, ends: int) -> int:
    """Count the varints of a list, or enough of them: the last byte of each is less than _MORE."""
    enough = memoryview(message)[begins : min(ends, begins + _LONGEST * (_MAX_NUMBERS + 1))]
    return int(np.count_nonzero(np.frombuffer(enough, np.uint8) < _MORE))


def _behind(message: bytes, at: int, kind: int) -> int:
    """Give the place behind a value that has no length. IndexError where it is none.

    The parser skips groups; what stands in one counts as what stands around it.
    """
    if kind == _VARINT:
        return at + 1 if message[at] < _MORE else _varint(message, at)[1]
    if kind not in _SIZES:
        raise IndexError
    return at + _SIZES[kind]


def _varint(message: bytes | memoryview, at: int) -> tuple[int, int]:
    """Read a varint at a place; return it, and the place behind it."""
    value = shift = 0
    while shift < 7 * _LONGEST:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < _MORE:
            break
        shift += 7
    return value, at


def _too_many(fields: int) -> InvalidRequest:
    if fields > _MAX_FIELDS:
        found = f"holds more than {_MAX_FIELDS} fields; expected one tensor a sequence, and few of them"
    else:
        found = f"holds more than {_MAX_NUMBERS} numbers in lists; expected so many as raw bytes"
    return InvalidRequest((Violation("message", found),))
