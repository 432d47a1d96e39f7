"""Tensors as they cross the wire: numpy arrays and little-endian, row-major bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOAT32 = np.dtype("<f4")

Floats = NDArray[np.float32]
"""A float32 array; what every engine takes and gives."""

Samples = NDArray[Any]
"""What a model takes: float32 vectors, or int32 or int64 tokens, as its signature says."""

_SHOWN = 8
"""Dimensions of a shape that are written out: a sender may claim a million of them."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor's name, dtype and shape; None where a dimension may vary."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {describe(self.shape)}"


def describe(shape: Sequence[int | None]) -> str:
    """Write a shape as people do: [timesteps, 64] with ? where a dimension may vary."""
    return _listed(["?" if d is None or d < 0 else str(d) for d in shape[:_SHOWN]], len(shape))


def describe_raw(shape: Sequence[int]) -> str:
    """Write a shape with its negative dimensions as they came."""
    return _listed([str(d) for d in shape[:_SHOWN]], len(shape))


def to_bytes(array: Floats) -> bytes:
    """Write a float32 array as little-endian, row-major bytes."""
    return np.ascontiguousarray(array, FLOAT32).tobytes()


def _listed(shown: list[str], rank: int) -> str:
    return "[" + ", ".join(shown) + (f", ... {rank} dimensions" if rank > _SHOWN else "") + "]"
