"""One tensor of a signature: its name, dtype and shape."""

import math
from dataclasses import dataclass

from carousel.tensors import describe


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor's name, dtype and shape; None where a dimension may vary."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {describe(self.shape)}"


def width_of(shape: tuple[int | None, ...]) -> int:
    """Count the elements of a shape without dimensions that vary."""
    return math.prod(dim for dim in shape if dim is not None)
