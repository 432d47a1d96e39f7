"""A live sequence's state as bytes that can leave the server and come back, here or elsewhere.

Layout, little-endian: 4 bytes magic, 16 bytes of the model's fingerprint, 8 bytes timesteps taken, the row of state as
float32, 4 bytes CRC-32 of everything before.
"""

import struct
import zlib

import numpy as np

from carousel.errors import SnapshotRefused
from carousel.tensors import FLOAT32, Floats, to_bytes

_HEAD = struct.Struct("<4s16sQ")
_SUM = struct.Struct("<I")
_MAGIC = b"CRS1"
_MAX_TIMESTEPS = 1 << 60


def write_snapshot(fingerprint: str, timesteps: int, state: Floats) -> bytes:
    """Pack a row of state, float32 [state_width], of the model with this fingerprint (hexadecimal)."""
    body = _HEAD.pack(_MAGIC, _short(fingerprint), timesteps) + to_bytes(state)
    return body + _SUM.pack(zlib.crc32(body))


def read_snapshot(snapshot: bytes, fingerprint: str, state_width: int) -> tuple[int, Floats]:
    """Unpack a snapshot of this very model: timesteps taken, and the row of state, float32 [state_width].

    Raises:
        SnapshotRefused: It is damaged, of another model, or of the wrong size.
    """
    if len(snapshot) < _HEAD.size + _SUM.size or not snapshot.startswith(_MAGIC):
        raise SnapshotRefused(f"{len(snapshot)} bytes that are no state of Carousel's: it was cut, or made elsewhere")
    body, (check,) = snapshot[: -_SUM.size], _SUM.unpack(snapshot[-_SUM.size :])
    if zlib.crc32(body) != check:
        raise SnapshotRefused("the state is damaged: its checksum does not match")
    _, print_, timesteps = _HEAD.unpack_from(body)
    if print_ != _short(fingerprint):
        raise SnapshotRefused(
            f"the state belongs to the model with fingerprint {print_.hex()}, this one's is {_short(fingerprint).hex()}"
            ": name the version that gave it, if that is served, or begin anew"
        )
    state = np.frombuffer(body, FLOAT32, offset=_HEAD.size)
    if len(state) != state_width:
        raise SnapshotRefused(f"the state holds {len(state)} floats, and this model's {state_width}")
    if timesteps > _MAX_TIMESTEPS:
        raise SnapshotRefused(f"the state says that {timesteps} timesteps were taken, and none has taken so many")
    if not np.isfinite(state).all():
        raise SnapshotRefused("the state holds NaN or infinity, which no state of Carousel's does")
    return timesteps, state


def _short(fingerprint: str) -> bytes:
    return bytes.fromhex(fingerprint[:32])
