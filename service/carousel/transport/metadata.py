"""What may go over the wire beside the messages."""

import logging
import re
from typing import TypeAlias

Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]

_KEY = re.compile("[0-9a-z_.-]+")
_TEXT = re.compile("[ -~]*")


def _is_no_complaint(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Invalid encoding")


# A value that is no UTF-8 is read as Latin-1. grpcio logs a traceback for each: lines that any stranger may cause.
logging.getLogger("grpc._cython.cygrpc").addFilter(_is_no_complaint)


def check(metadata: Metadata) -> None:
    """Raise ValueError naming an entry that the C core would refuse: the whole answer would be lost with it."""
    for key, value in metadata:
        if not _KEY.fullmatch(key):
            raise ValueError(f"metadata key {key!r}: expected lower-case letters, digits, '_', '-' and '.'")
        if key.endswith("-bin"):
            if not isinstance(value, bytes):
                raise ValueError(f"metadata {key}: expected bytes, since the key ends in -bin; got {value!r}")
        elif not isinstance(value, str) or not _TEXT.fullmatch(value):
            raise ValueError(f"metadata {key}: expected printable ASCII text; got {value!r}")
