"""Inputs and outputs by the names that the model's author gave them."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from carousel.artifact import Layout
from carousel.errors import Violation, shortened
from carousel.serving import Version
from carousel.stubs.v1 import inference_pb2 as pb
from carousel.tensors import Samples, describe
from carousel.wire import DATA_TYPES, write_tensor

_DTYPES = {number: dtype for dtype, number in DATA_TYPES.items()}
_MAX_RANK = 8


def lengths_of(samples: Iterable[pb.Sample]) -> list[int]:
    """Give the timesteps of each sample as its shapes say: the longest of its tensors, which may hold only features."""
    return [max((t.shape[0] for t in sample.tensors.values() if t.shape), default=0) for sample in samples]


def wanted(request: pb.PredictRequest, version: Version) -> tuple[str, ...]:
    """Name the outputs that are wanted by name; none where the answer has no names."""
    if request.outputs:
        return tuple(request.outputs)
    return version.signature.gives.names if request.samples else ()


def read_samples(
    samples: Sequence[pb.Sample], version: Version, faults: list[Violation]
) -> tuple[list[Samples], list[int]]:
    """Read each sample as the one array that the model runs; give those too, and name every fault, that are wrong.

    Returns:
        The arrays, and for each the place of its sample in the request.
    """
    takes = version.signature.takes
    inputs: list[Samples] = []
    places: list[int] = []
    packed = 0
    for i, sample in enumerate(samples):
        array = read_sample(sample, f"samples[{i}]", takes, faults, packed)
        if array is not None:
            packed += array.nbytes
            inputs.append(array)
            places.append(i)
    return inputs, places


def read_sample(
    sample: pb.Sample, field: str, takes: Layout, faults: list[Violation], packed: int = 0
) -> Samples | None:
    """Read one sample as the one array that the model runs; None, and every fault is named, where it is wrong.

    `packed` are the bytes of the request's samples before it.
    """
    wrong: list[Violation] = []
    tensors = {name: _read(tensor, name, wrong) for name, tensor in sample.tensors.items()}
    given = {name: array for name, array in tensors.items() if array is not None}
    array = None if wrong else takes.pack(given, wrong, packed)
    faults += [Violation(f"{field}.{fault.field}", fault.description) for fault in wrong]
    return array


def write_named(outputs: dict[str, Samples], into: pb.Prediction) -> None:
    """Write each output by its name: floats as float32, other numbers as int32 or int64."""
    for name, array in outputs.items():
        sent = array
        if array.dtype not in DATA_TYPES:
            sent = array.astype(np.float32 if array.dtype.kind == "f" else np.int32)
        write_tensor(sent, into.outputs[name])


def _read(tensor: pb.Tensor, name: str, faults: list[Violation]) -> Samples | None:
    name = shortened(name)
    dtype, shape = _DTYPES.get(tensor.dtype), tensor.shape
    if dtype is None:
        faults.append(Violation(f"{name}.dtype", "is none of float32, int32 and int64"))
    elif len(shape) > _MAX_RANK or min(shape, default=0) < 0:
        faults.append(Violation(f"{name}.shape", f"is {describe(shape)}, expected at most {_MAX_RANK} dimensions"))
    elif len(tensor.content) != (needed := dtype.itemsize * math.prod(shape)):
        found = f"has {len(tensor.content)} bytes, shape {describe(shape)} of {dtype} needs {needed}"
        faults.append(Violation(f"{name}.content", found))
    else:
        return np.frombuffer(tensor.content, dtype).reshape(tuple(shape))
    return None
