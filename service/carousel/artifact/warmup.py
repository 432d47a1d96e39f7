"""The requests that a version brings to be run once before it serves, as TensorFlow Serving knows them.

A TFRecord file: for each record 8 bytes length, 4 bytes masked CRC-32C of it, the record, 4 bytes masked CRC-32C of
that; little-endian. The records are `tensorflow.serving.PredictionLog`.
"""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from carousel.errors import ModelRejected

WARMUP = Path("assets.extra", "tf_serving_warmup_requests")
"""Where a version keeps them."""

MAX_RECORDS = 1000
"""As TensorFlow Serving has it."""

_HEAD = struct.Struct("<QI")
_SUM_BYTES = 4
_POLYNOMIAL = 0x82F63B78  # Castagnoli's, its bits reversed
_MASK = 0xA282EAD8


def read_warmup(version: Path, max_bytes: int) -> Iterator[bytes]:
    """Read the records of the version in this folder, one after the other, MAX_RECORDS at most; none where it has none.

    The checksums of lengths are held, which are what finds the next record; what a record holds is for its reader.

    Raises:
        ModelRejected: The file cannot be read, or what follows is no record of at most `max_bytes`.
    """
    path = version / WARMUP
    try:
        if not path.exists():
            return
        with path.open("rb") as file:
            for number in range(MAX_RECORDS):
                head = file.read(_HEAD.size)
                if not head:
                    return
                record = _record(head, file.read, max_bytes) if len(head) == _HEAD.size else None
                if record is None:
                    raise ModelRejected(f"{path}: is damaged or cut at record {number}")
                yield record
    except OSError as error:
        raise ModelRejected(f"{path}: cannot be read: {error.strerror}") from error


def _record(head: bytes, read: Callable[[int], bytes], max_bytes: int) -> bytes | None:
    """Read the record after its head; None where there is none of that length."""
    length, check = _HEAD.unpack(head)
    if check != _masked(head[:8]) or length > max_bytes:
        return None
    record = read(length + _SUM_BYTES)
    return record[:length] if len(record) == length + _SUM_BYTES else None


def _masked(content: bytes) -> int:
    """Give the CRC-32C of a few bytes, masked as TFRecord has it."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF
