"""carousel.v1 tensors and numpy arrays. No copy is made on the way in."""

from typing import Any

import numpy as np

from carousel.stubs.v1.inference_pb2 import DATA_TYPE_FLOAT32, DATA_TYPE_INT32, DATA_TYPE_INT64, DataType, Tensor
from carousel.tensors import Floats, Samples, from_bytes

DATA_TYPES: dict[np.dtype[Any], DataType] = {
    np.dtype("<f4"): DATA_TYPE_FLOAT32,
    np.dtype("<i4"): DATA_TYPE_INT32,
    np.dtype("<i8"): DATA_TYPE_INT64,
}
"""What stands for a dtype on the wire: little-endian, row-major."""


def write_tensor(array: Samples, into: Tensor) -> None:
    """Write an array of one of DATA_TYPES into a tensor message."""
    into.dtype = DATA_TYPES[array.dtype]
    into.shape[:] = array.shape
    into.content = np.ascontiguousarray(array).tobytes()


def read_tensor(tensor: Tensor) -> Floats:
    """Read a float32 tensor that a server wrote, as a read-only view. ValueError where its bytes do not fit."""
    return from_bytes(tensor.content, tuple(tensor.shape))
