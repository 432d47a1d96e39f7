"""A live sequence's state as bytes that can leave the server and come back, here or elsewhere.

Layout, little-endian: 4 bytes magic, 16 bytes of the model's fingerprint, 8 bytes timesteps taken, the row of state as
float32 (CRS1) or the last timesteps as the signature has them (CRW1), 4 bytes CRC-32 of everything before.
"""

import math
import struct
import zlib
from typing import Any

import numpy as np

from carousel.errors import SnapshotRefused
from carousel.tensors import FLOAT32, Floats, Samples, to_bytes

_HEAD = struct.Struct("<4s16sQ")
_SUM = struct.Struct("<I")
_MAGIC, _WINDOW = b"CRS1", b"CRW1"
_KINDS = {_MAGIC: "a model's states", _WINDOW: "the timesteps of a window"}
_MAX_TIMESTEPS = 1 << 60


def write_snapshot(fingerprint: str, timesteps: int, state: Floats) -> bytes:
    """Pack a row of state, float32 [state_width], of the model with this fingerprint (hexadecimal)."""
    return _packed(_MAGIC, fingerprint, timesteps, to_bytes(state))


def write_window(fingerprint: str, timesteps: int, past: Samples) -> bytes:
    """Pack the last timesteps that a live sequence keeps, [timesteps, ...] of the signature's dtype."""
    return _packed(_WINDOW, fingerprint, timesteps, np.ascontiguousarray(past, past.dtype.newbyteorder("<")).tobytes())


def read_snapshot(snapshot: bytes, fingerprint: str, state_width: int) -> tuple[int, Floats]:
    """Unpack a snapshot of this very model: timesteps taken, and the row of state, float32 [state_width].

    Raises:
        SnapshotRefused: It is damaged, of another model, or of the wrong size.
    """
    timesteps, content = _unpacked(_MAGIC, snapshot, fingerprint)
    state = np.frombuffer(content[: len(content) - len(content) % FLOAT32.itemsize], FLOAT32)
    if len(content) != FLOAT32.itemsize * state_width:
        raise SnapshotRefused(f"the state holds {len(state)} floats, and this model's {state_width}")
    if not np.isfinite(state).all():
        raise SnapshotRefused("the state holds NaN or infinity, which no state of Carousel's does")
    return timesteps, state


def read_window(
    snapshot: bytes, fingerprint: str, features: tuple[int, ...], dtype: np.dtype[Any], window: int
) -> tuple[int, Samples]:
    """Unpack the last timesteps of a live sequence of this very model: how many came, and at most `window` of them.

    Raises:
        SnapshotRefused: It is damaged, of another model, or holds something else.
    """
    timesteps, content = _unpacked(_WINDOW, snapshot, fingerprint)
    each = dtype.itemsize * math.prod(features)
    kept, rest = divmod(len(content), each)
    if rest or kept != min(timesteps, window):
        raise SnapshotRefused(
            f"the state holds {kept} timesteps of {timesteps} that came, and this live sequence keeps {window}"
        )
    return timesteps, np.frombuffer(content, dtype.newbyteorder("<")).reshape(kept, *features)


def _packed(magic: bytes, fingerprint: str, timesteps: int, content: bytes) -> bytes:
    body = _HEAD.pack(magic, _short(fingerprint), timesteps) + content
    return body + _SUM.pack(zlib.crc32(body))


def _unpacked(magic: bytes, snapshot: bytes, fingerprint: str) -> tuple[int, bytes]:
    """Check all that both kinds have in common; give the timesteps that came, and the content."""
    known = len(snapshot) >= _HEAD.size + _SUM.size and snapshot[:4] in _KINDS
    if not known:
        raise SnapshotRefused(f"{len(snapshot)} bytes that are no state of Carousel's: it was cut, or made elsewhere")
    body, (check,) = snapshot[: -_SUM.size], _SUM.unpack(snapshot[-_SUM.size :])
    if zlib.crc32(body) != check:
        raise SnapshotRefused("the state is damaged: its checksum does not match")
    found, print_, timesteps = _HEAD.unpack_from(body)
    if print_ != _short(fingerprint):
        raise SnapshotRefused(
            f"the state belongs to the model with fingerprint {print_.hex()}, this one's is {_short(fingerprint).hex()}"
            ": name the version that gave it, if that is served, or begin anew"
        )
    if found != magic:
        raise SnapshotRefused(f"the state holds {_KINDS[found]}, expected {_KINDS[magic]}: was `window` the same?")
    if timesteps > _MAX_TIMESTEPS:
        raise SnapshotRefused(f"the state says that {timesteps} timesteps were taken, and none has taken so many")
    return timesteps, body[_HEAD.size :]


def _short(fingerprint: str) -> bytes:
    return bytes.fromhex(fingerprint[:32])
