"""The JSON of a live sequence: what a client's message asks for, and what is answered."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from carousel.errors import InvalidRequest, Violation, shortened
from carousel.http.documents import numbers, read_document, read_numbers, write_document
from carousel.tensors import Samples

_KEYS = frozenset({"open", "input", "return_state", "close"})
_OPEN_KEYS = frozenset({"return_sequences", "window", "initial_state", "outputs"})
_MAX_WINDOW = 2**31
_MAX_NAMES = 256


@dataclass(frozen=True, slots=True)
class Open:
    """How the sequence begins.

    Attributes:
        return_sequences: Whether every timestep of a message is answered, or its last one alone.
        window: Timesteps to keep, where it slides; 0 for the model's own number or none.
        initial_state: A snapshot to start from; empty for the beginning.
        outputs: Those that are wanted by name. None: the author's where the first message has its input by name.
    """

    return_sequences: bool = False
    window: int = 0
    initial_state: bytes = b""
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a client.

    Attributes:
        open: How the sequence begins, where the message says so; only the first one may.
        inputs: New timesteps [timesteps, ...] as float64 or int64, by the author's names or, under "", as the one
            input; empty where there are none.
        return_state: Whether a snapshot after this message is wanted.
        close: Whether it is the last.
    """

    open: Open | None
    inputs: Mapping[str, Samples]
    return_state: bool
    close: bool


def read_message(text: bytes) -> Message:
    """Read one message.

    Raises:
        InvalidRequest: It is no JSON object of this form.
    """
    document = _object(read_document(text), "message", _KEYS)
    opened = None
    if "open" in document:
        asked = _object(document["open"], "open", _OPEN_KEYS)
        opened = Open(
            _flag(asked, "return_sequences", "open."),
            _count(asked.get("window", 0), "open.window"),
            _bytes(asked.get("initial_state", ""), "open.initial_state"),
            _names(asked.get("outputs", []), "open.outputs"),
        )
    value = document.get("input")
    inputs: dict[str, Samples] = {}
    if isinstance(value, dict):
        inputs = {name: read_numbers(each, f"input.{shortened(name)}") for name, each in value.items()}
    elif value is not None:
        inputs = {"": read_numbers(value, "input")}
    return Message(opened, inputs, _flag(document, "return_state"), _flag(document, "close"))


def write_message(document: Mapping[str, Any]) -> str:
    """Write an answer: arrays become nested lists, bytes become base64."""
    return write_document({key: _plain(value) for key, value in document.items()}).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return numbers(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return {key: _plain(each) for key, each in value.items()} if isinstance(value, dict) else value


def _object(value: Any, field: str, known: frozenset[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(field, "is no JSON object")
    for key in value:
        if key not in known:
            raise _wrong(field, f"has {shortened(key)!r}, expected some of {', '.join(sorted(known))}")
    return value


def _flag(document: dict[str, Any], key: str, before: str = "") -> bool:
    value = document.get(key, False)
    if not isinstance(value, bool):
        raise _wrong(before + key, "is neither true nor false")
    return value


def _count(value: Any, field: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MAX_WINDOW:
        raise _wrong(field, f"is no whole number from 0 to {_MAX_WINDOW - 1}")
    return value


def _names(value: Any, field: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value) or len(value) > _MAX_NAMES:
        raise _wrong(field, f"is no list of at most {_MAX_NAMES} names")
    return tuple(value)


def _bytes(value: Any, field: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise _wrong(field, "is no text in base64, as a state was given") from None


def _wrong(field: str, found: str) -> InvalidRequest:
    return InvalidRequest((Violation(field, found),))
