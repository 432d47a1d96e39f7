"""TensorFlow's TensorProto to numpy arrays and back.

Read as TensorFlow does: `tensor_content` goes before the typed list; a list that is shorter than the shape repeats its
last element, an empty one is zeros, and what is too long is ignored. Written with the typed list, which is what
TensorFlow Serving answers in and what many clients read alone.
"""

import math
from itertools import islice
from typing import Any

import numpy as np

from carousel.errors import Violation
from carousel.stubs.tfserving import tensor_pb2 as tf
from carousel.stubs.tfserving.packed_pb2 import PackedTensor
from carousel.tensors import Samples, TensorSpec, describe, describe_raw

_NAMES = {
    "float32": tf.DT_FLOAT,
    "float64": tf.DT_DOUBLE,
    "float16": tf.DT_HALF,
    "int64": tf.DT_INT64,
    "int32": tf.DT_INT32,
    "int16": tf.DT_INT16,
    "int8": tf.DT_INT8,
    "uint64": tf.DT_UINT64,
    "uint32": tf.DT_UINT32,
    "uint16": tf.DT_UINT16,
    "uint8": tf.DT_UINT8,
    "bool": tf.DT_BOOL,
}
_DTYPES = {number: np.dtype(name).newbyteorder("<") for name, number in _NAMES.items()}
_BFLOAT16 = np.dtype("<u2")  # its bits: numpy has no such type
_LISTS = dict.fromkeys((tf.DT_INT32, tf.DT_INT16, tf.DT_INT8, tf.DT_UINT16, tf.DT_UINT8), "int_val") | {
    tf.DT_INT64: "int64_val",
    tf.DT_UINT32: "uint32_val",
    tf.DT_UINT64: "uint64_val",
    tf.DT_BOOL: "bool_val",
    tf.DT_HALF: "half_val",
    tf.DT_BFLOAT16: "half_val",
}

_MAX_RANK = 8
_MAX_CLAIM = 1 << 31  # elements

MAX_ELEMENTS = 1 << 24
"""Of one tensor whose list is shorter than its shape: four bytes may claim a terabyte."""


def read_tensor(name: str, tensor: tf.TensorProto, faults: list[Violation]) -> Samples | None:
    """Read a tensor of numbers, without a copy where it is in `tensor_content`; bfloat16 is read as float32.

    Returns:
        The tensor, or None and every fault in `faults`, its field the `name` with ".dtype", ".tensor_shape" or
        ".tensor_content" after.
    """
    if wrong := _faults(name, tensor):
        faults += wrong
        return None
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    elements, content = math.prod(shape), tensor.tensor_content
    dtype = _DTYPES.get(tensor.dtype, _BFLOAT16)
    if not content:
        array = _listed(tensor, dtype, elements)
        if len(array) != elements and elements > MAX_ELEMENTS:
            found = f"is {describe(shape)} with {len(array)} elements, and at most {MAX_ELEMENTS} are filled up"
            faults.append(Violation(f"{name}.tensor_shape", found))
            return None
        array = _filled(array, shape)
    elif len(content) == (needed := dtype.itemsize * elements):
        array = np.frombuffer(content, dtype).reshape(shape)
    else:
        found = f"has {len(content)} bytes, shape {describe(shape)} of {_written(tensor.dtype)} needs {needed}"
        faults.append(Violation(f"{name}.tensor_content", found))
        return None
    if tensor.dtype == tf.DT_BFLOAT16:  # its bits are the upper half of a float32
        return (array.astype("<u4") << np.uint32(16)).view("<f4")
    return array


def claimed_elements(tensor: tf.TensorProto) -> int:
    """Count the elements of a tensor's shape, however few came; at most `MAX_ELEMENTS`."""
    elements = 1
    for dim in islice(tensor.tensor_shape.dim, _MAX_RANK):
        elements = min(MAX_ELEMENTS, elements * max(0, dim.size))
    return elements


def write_tensor(array: Samples, into: tf.TensorProto) -> None:
    """Write an array of one of the types that `read_tensor` reads."""
    into.dtype = _NAMES[array.dtype.name]
    into.tensor_shape.SetInParent()
    for size in array.shape:
        into.tensor_shape.dim.add(size=size)
    if array.dtype.name in {"float32", "float64"}:
        content = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        packed = PackedTensor(**{"float_val" if array.dtype.itemsize == 4 else "double_val": content})
        into.MergeFromString(packed.SerializeToString())
    else:
        numbers = array.astype("<f2").view(np.uint16) if array.dtype.kind == "f" else array
        getattr(into, _LISTS[into.dtype]).extend(numbers.ravel().tolist())


def describe_tensor(spec: TensorSpec, into: tf.TensorInfo) -> None:
    """Write what a signature says of a tensor."""
    into.name = f"{spec.name}:0"
    into.dtype = _NAMES[spec.dtype]
    into.tensor_shape.SetInParent()
    for size in spec.shape:
        into.tensor_shape.dim.add(size=-1 if size is None else size)


def _faults(name: str, tensor: tf.TensorProto) -> list[Violation]:
    """Name what is wrong with the type and the shape."""
    shape, field, faults = tensor.tensor_shape, f"{name}.tensor_shape", []
    if tensor.dtype not in _DTYPES and tensor.dtype != tf.DT_BFLOAT16:
        faults.append(Violation(f"{name}.dtype", f"is {_written(tensor.dtype)}, expected that of a number"))
    # Counts first, arithmetic after: a sender may claim a million dimensions of 2**62.
    if shape.unknown_rank:
        faults.append(Violation(field, "has an unknown rank, and what is sent has a known one"))
    elif len(shape.dim) > _MAX_RANK:
        faults.append(Violation(field, f"has rank {len(shape.dim)}, expected {_MAX_RANK} at most"))
    else:
        sizes = [dim.size for dim in shape.dim]
        if min(sizes, default=0) < 0:
            faults.append(Violation(field, f"is {describe_raw(sizes)}, and a dimension cannot be negative"))
        elif math.prod(size or 1 for size in sizes) > _MAX_CLAIM:
            faults.append(Violation(field, f"is {describe(sizes)}, and no message holds so many elements"))
    return faults


def _listed(tensor: tf.TensorProto, dtype: np.dtype[Any], elements: int) -> Samples:
    """Read the typed list, at most so many elements."""
    if tensor.dtype in {tf.DT_FLOAT, tf.DT_DOUBLE}:
        packed = PackedTensor.FromString(tensor.SerializeToString())
        content = packed.float_val if tensor.dtype == tf.DT_FLOAT else packed.double_val
        return np.frombuffer(content, dtype)[:elements]
    numbers = getattr(tensor, _LISTS[tensor.dtype])[:elements]
    if tensor.dtype in {tf.DT_HALF, tf.DT_BFLOAT16}:
        return np.array(numbers, np.int32).astype("<u2").view(dtype)
    wide = np.int32 if _LISTS[tensor.dtype] == "int_val" else dtype
    return np.array(numbers, wide).astype(dtype, copy=False)  # an int8 of 300 wraps, as TensorFlow's does


def _filled(array: Samples, shape: tuple[int, ...]) -> Samples:
    """Give a list the shape: its last element is repeated, and an empty one is zeros."""
    missing = math.prod(shape) - len(array)
    if missing and len(array) <= 1:
        return np.broadcast_to(array[0] if len(array) else np.zeros((), array.dtype), shape)
    return np.concatenate([array, np.repeat(array[-1:], missing)]).reshape(shape) if missing else array.reshape(shape)


def _written(dtype: int) -> str:
    if dtype == tf.DT_INVALID:
        return "missing"
    try:
        return str(tf.DataType.Name(dtype))
    except ValueError:
        return f"unknown ({dtype})"
