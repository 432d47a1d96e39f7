"""JSON in and out, with TensorFlow Serving's numbers: NaN is a token, a float32 has few digits."""

import json
import reprlib
from contextlib import suppress
from typing import Any

import numpy as np
import orjson

from carousel.errors import InvalidRequest, Violation
from carousel.http.arrays import Unfit, read_arrays
from carousel.tensors import Samples

_MAX_LISTS = 2_000_000
"""Lists and objects of one document: each takes some 60 bytes once it is read, whatever is in it."""

_LONG = 8192
"""Bytes from which reading numbers straight into arrays is the faster way."""

_SHOWN = 256  # bytes of a value that an error repeats


def read_document(body: bytes) -> Any:
    """Read one JSON document; long lists of numbers in it may come as arrays, for `read_numbers`.

    Raises:
        InvalidRequest: It is none, or holds more lists than any request needs.
    """
    if not body.strip():
        raise _fault("JSON Parse error: The document is empty")
    if len(body) > 2 * _MAX_LISTS and body.count(b"[") + body.count(b"{") > _MAX_LISTS:  # each has two brackets
        raise _fault(f"holds more than {_MAX_LISTS} lists and objects: send tensors in binary, or fewer sequences")
    with suppress(Unfit):
        if len(body) >= _LONG:
            return read_arrays(body)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        at = error.pos
    try:  # the one thing that it does not take and TensorFlow Serving's clients send
        if b"NaN" in body or b"Infinity" in body:
            return json.loads(body)
    except (ValueError, RecursionError):
        pass
    raise _fault(f"JSON Parse error: Invalid value. at offset: {at}")


def write_document(value: Any) -> bytes:
    """Write a JSON document; arrays in it should come from `numbers`."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def numbers(array: Samples) -> Any:
    """Make an array what `write_document` writes as nested lists; NaN and Infinity as tokens."""
    if array.ndim and (array.dtype.kind != "f" or np.isfinite(array).all()):
        return np.ascontiguousarray(array)
    # By way of its text, since the nearest float64 of a float32 has nine digits more than it needs.
    return orjson.Fragment(json.dumps(array.astype(str).astype(np.float64).tolist()))


def shown(value: Any) -> str:
    """Write a value that came as an error repeats it: its beginning."""
    try:
        text = write_document(value).decode()
    except TypeError:
        # Beside a NaN stood what only Python's reader takes: more than 64 bits, half a surrogate, deep lists.
        return reprlib.repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def read_numbers(value: Any, where: str) -> Samples:
    """Read nested lists of numbers, or what they were read as, all of one shape, as float64 or int64 [...].

    Raises:
        InvalidRequest: There is something else among them, or they have not one shape.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        raise _fault("its lists differ in length where a tensor has one shape", where) from None
    if array.dtype.kind not in "iuf":
        raise _fault(f"JSON Value: {shown(value)} is not of expected type: numbers alone, in nested lists", where)
    return array


def _fault(found: str, field: str = "") -> InvalidRequest:
    return InvalidRequest((Violation(field, found),))
