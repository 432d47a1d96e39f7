"""carousel.v1 messages to tensors and back. No copy is made on the way in."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from carousel.errors import Violation
from carousel.stubs.v1.inference_pb2 import DATA_TYPE_FLOAT32, DataType, Tensor
from carousel.tensors import FLOAT32, LARGEST, Floats, describe, from_bytes, to_bytes

if TYPE_CHECKING:  # what reads files and checks them is no part of a client's process
    from carousel.artifact import Signature

_ITEM = FLOAT32.itemsize


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one request may ask for.

    Attributes:
        samples: The most sequences in one request.
        timesteps: The most timesteps of one sequence, or of one message of a live sequence.
        refuse_nonfinite: Whether NaN and infinity are refused.
    """

    samples: int = 4096
    timesteps: int = 1_000_000
    refuse_nonfinite: bool = True


def read_steps(
    tensor: Tensor, field: str, signature: "Signature", bounds: Bounds
) -> tuple[Floats | None, list[Violation]]:
    """Read one sequence, float32 [timesteps, input_dim], against the model's signature.

    Returns:
        The timesteps, a read-only view of the message's own bytes, and no violations; or None and every fault there is.
    """
    faults: list[Violation] = []
    shape = tuple(tensor.shape)
    if tensor.dtype != DATA_TYPE_FLOAT32:
        faults.append(Violation(f"{field}.dtype", f"is {_dtype_name(tensor.dtype)}, expected float32"))
    faults += shape_faults(shape, f"{field}.shape", signature, bounds)
    content = len(tensor.content)
    if shape and min(shape) >= 0 and content != (needed := _ITEM * math.prod(shape)) and needed <= _ITEM * LARGEST:
        found = f"has {content} bytes, shape {describe(shape)} of float32 needs {needed}"
        faults.append(Violation(f"{field}.content", found))
    if faults:
        return None, faults
    steps = from_bytes(tensor.content, shape)
    return finite(steps, f"{field}.content", bounds)


def shape_faults(shape: tuple[int, ...], field: str, signature: "Signature", bounds: Bounds) -> list[Violation]:
    """Name every fault of a sequence's shape; [timesteps, input_dim] is expected."""
    if not shape:
        return [Violation(field, f"is missing, expected {_expected(signature)}")]
    if min(shape) < 0:
        return [Violation(field, f"is {describe_raw(shape)}, and a dimension cannot be negative")]
    if math.prod(shape) > LARGEST:
        return [Violation(field, f"is {describe(shape)}, more than the {LARGEST} elements one tensor may have")]
    if len(shape) != 2:
        return [Violation(field, f"has rank {len(shape)}, {describe(shape)}; expected rank 2, {_expected(signature)}")]
    faults = []
    timesteps, input_dim = shape
    if timesteps == 0:
        faults.append(Violation(field, "has zero timesteps, expected at least one"))
    elif signature.timesteps is not None and timesteps != signature.timesteps:
        faults.append(Violation(field, f"has {timesteps} timesteps, the model takes exactly {signature.timesteps}"))
    elif timesteps > bounds.timesteps:
        faults.append(Violation(field, f"has {timesteps} timesteps, the limit is {bounds.timesteps}"))
    if input_dim != signature.input_dim:
        faults.append(Violation(field, f"has input_dim {input_dim}, the model takes {signature.input_dim}"))
    return faults


def _expected(signature: "Signature") -> str:
    return describe((signature.timesteps, signature.input_dim))


def finite(steps: Floats, field: str, bounds: Bounds) -> tuple[Floats | None, list[Violation]]:
    """Refuse NaN and infinity in [timesteps, input_dim] if the bounds say so, and name the first place."""
    if bounds.refuse_nonfinite:
        good = np.isfinite(steps)
        if not good.all():
            timestep, feature = np.argwhere(~good)[0]
            value = steps[timestep, feature]
            found = f"holds {value} at timestep {timestep}, feature {feature}; only finite values are taken"
            return None, [Violation(field, found)]
    return steps, []


def write_tensor(array: Floats, into: Tensor) -> None:
    """Write a float32 array into a tensor message."""
    into.dtype = DATA_TYPE_FLOAT32
    into.shape[:] = array.shape
    into.content = to_bytes(array)


def read_tensor(tensor: Tensor) -> Floats:
    """Read a tensor that a server wrote."""
    return from_bytes(tensor.content, tuple(tensor.shape))


def describe_raw(shape: tuple[int, ...]) -> str:
    """Write a shape with its negative dimensions as they came."""
    return "[" + ", ".join(map(str, shape)) + "]"


def _dtype_name(value: int) -> str:
    if value == 0:
        return "missing"
    try:
        return str(DataType.Name(value)).removeprefix("DATA_TYPE_").lower()
    except ValueError:
        return f"unknown ({value})"
