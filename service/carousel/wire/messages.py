"""carousel.v1 tensors and numpy arrays. No copy is made on the way in."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from carousel.stubs.v1.inference_pb2 import DATA_TYPE_FLOAT32, DATA_TYPE_INT32, DATA_TYPE_INT64, DataType, Tensor
from carousel.tensors import FLOAT32, Samples

DATA_TYPES: dict[np.dtype[Any], DataType] = {
    np.dtype("<f4"): DATA_TYPE_FLOAT32,
    np.dtype("<i4"): DATA_TYPE_INT32,
    np.dtype("<i8"): DATA_TYPE_INT64,
}
"""What stands for a dtype on the wire: little-endian, row-major."""

_DTYPES = {number: dtype for dtype, number in DATA_TYPES.items()}


def as_samples(steps: ArrayLike) -> Samples:
    """Take what a caller gives: whole numbers [timesteps] are tokens, int64; everything else is float32."""
    array = np.asarray(steps)
    return array.astype(np.int64) if array.ndim == 1 and array.dtype.kind in "iu" else array.astype(np.float32)


def as_tensor(array: ArrayLike) -> Samples:
    """Take a tensor that has a name: whole numbers become int64, or int32 where they are, everything else float32."""
    given = np.asarray(array)
    if given.dtype.kind not in "iub":
        return given.astype(np.float32, copy=False)
    return given.astype(np.int32 if given.dtype == np.int32 or given.dtype.kind == "b" else np.int64, copy=False)


def write_tensor(array: Samples, into: Tensor) -> None:
    """Write an array of one of DATA_TYPES into a tensor message."""
    into.dtype = DATA_TYPES[array.dtype]
    into.shape[:] = array.shape
    into.content = np.ascontiguousarray(array).tobytes()


def read_tensor(tensor: Tensor) -> Samples:
    """Read a tensor that a server wrote, as a read-only view. ValueError where its bytes do not fit."""
    dtype = _DTYPES.get(tensor.dtype, FLOAT32)
    return np.frombuffer(tensor.content, dtype).reshape(tuple(tensor.shape))
