"""JSON whose lists of numbers are read straight into arrays, by simdjson: no object is made of a number on the way."""

import codecs
import collections
import math
from typing import Any, cast

import numpy as np
import simdjson

from carousel.tensors import Samples

_DEPTH = 2
"""Lists this deep in a document hold tensors, and what holds them is above: `instances` and its samples."""

_MAX_DEPTH = 8
_MAX_KEYS = 64  # simdjson looks a key up by going through all of them
_MAX_LISTS = 100_000  # each is looked at from here
_MAX_VALUES = 20_000  # that are not numbers of an array
_MIN_NUMBERS = 32  # of a list that is read so: a shorter one stays a list
_MAX_INT = 2.0**63

_LARGE = 16 << 20  # bytes of a document; simdjson needs up to sixteen times as much
_SMALL = 2 << 20  # bytes of one whose memory is used again

_spare: collections.deque[simdjson.Parser] = collections.deque(maxlen=1)
"""A parser with memory, for the next document. One that failed is none: something may still refer to what it read."""


class Unfit(Exception):
    """A document has to be read in the usual way. Nothing is said of whether it is a good one."""


def read_arrays(body: bytes) -> Any:
    """Read a JSON object; lists of many numbers inside, all of one shape, come as what `numpy.asarray` makes of them.

    These are float64, or int64 where all are whole.

    Raises:
        Unfit: It is no JSON, or has what simdjson reads in another way than other readers.
    """
    if len(body) > _LARGE:
        raise Unfit
    brackets = np.count_nonzero(np.frombuffer(body, np.uint8) == ord("["))  # four times as fast as `bytes.count`
    if brackets > _MAX_LISTS or body.startswith(codecs.BOM_UTF8):  # which simdjson passes over
        raise Unfit
    try:
        parser = _spare.pop()
    except IndexError:
        parser = simdjson.Parser()
    reading = _Reading()
    try:
        document = reading.value(parser.parse(body), 0)
    except (ValueError, RuntimeError, MemoryError) as error:  # RuntimeError: too deep
        raise Unfit from error
    if len(body) <= _SMALL:
        _spare.append(parser)
    if not isinstance(document, dict) or reading.lists != brackets:
        raise Unfit  # one number was in brackets of its own, which simdjson leaves out; or a string holds a bracket
    return document


class _Reading:
    """The reading of one document.

    Attributes:
        lists: How many were met.
        values: How many were met that are not numbers of an array.
    """

    def __init__(self) -> None:
        self.lists = 0
        self.values = 0

    def value(self, element: Any, depth: int) -> Any:
        """Read a value this deep in the document."""
        self.values += 1
        if depth > _MAX_DEPTH or self.values > _MAX_VALUES:
            raise Unfit
        if isinstance(element, simdjson.Object):
            keys = list(element) if len(element) <= _MAX_KEYS else []
            if len(set(keys)) < len(element) or "\0" in "".join(keys):
                raise Unfit  # of keys that come twice simdjson finds the first, and the last counts; zero ends a key
            return {key: self.value(element[key], depth + 1) for key in keys}
        if isinstance(element, simdjson.Array):
            if depth >= _DEPTH and (shape := _shape(element)) is not None:
                return self.array(element, shape)
            self.lists += 1
            return [self.value(each, depth + 1) for each in element]
        return element

    def array(self, element: simdjson.Array, shape: list[int]) -> Samples:
        """Read nested lists that should have this shape, and hold numbers alone."""
        self.lists += 1
        rows: list[Any] = [element]
        for length in shape[1:]:
            rows = [each for row in rows for each in row]
            if any(not isinstance(row, simdjson.Array) or len(row) != length for row in rows):
                raise Unfit
            self.lists += len(rows)
        numbers: Samples
        try:
            numbers = np.frombuffer(element.as_buffer(of_type="i"), np.int64)
        except (TypeError, ValueError):
            try:
                numbers = np.frombuffer(element.as_buffer(of_type="d"), np.float64)
            except TypeError as error:
                raise Unfit from error
            if np.abs(numbers).max() >= _MAX_INT:
                raise Unfit from None  # whole ones of this size may be all there are: they have a type of their own
        if len(numbers) != math.prod(shape):
            raise Unfit
        return numbers.reshape(shape)


def _shape(element: simdjson.Array) -> list[int] | None:
    """Tell the shape of nested lists by the first of each; None where they are few numbers."""
    shape, first = list[int](), cast("Any", element)
    while isinstance(first, simdjson.Array) and len(first) and len(shape) < _MAX_DEPTH:
        shape.append(len(first))
        first = first[0]
    return shape if math.prod(shape) >= _MIN_NUMBERS else None
