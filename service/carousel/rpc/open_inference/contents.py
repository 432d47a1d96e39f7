"""The protocol's tensors to numpy arrays and back. No copy is made of raw float32 contents on the way in."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carousel.errors import Violation
from carousel.stubs.oip.open_inference_pb2 import InferTensorContents, ModelInferRequest, ModelInferResponse
from carousel.tensors import LARGEST, Floats, describe, to_bytes
from carousel.wire import describe_raw

FLOATS = ("FP32", "FP64", "FP16")
INTEGERS = ("INT32", "INT64")

_DTYPES = {
    name: np.dtype(code) for name, code in zip(FLOATS + INTEGERS, ("<f4", "<f8", "<f2", "<i4", "<i8"), strict=True)
}
_FIELDS = {"FP32": "fp32_contents", "FP64": "fp64_contents", "INT32": "int_contents", "INT64": "int64_contents"}


def read_tensor(
    tensor: ModelInferRequest.InferInputTensor, raw: bytes | None, datatypes: tuple[str, ...]
) -> tuple[NDArray[Any] | None, list[Violation]]:
    """Read an input of one of `datatypes`; `raw` are its raw contents, None where it has typed ones.

    Returns:
        The tensor and no violations, or None and every fault there is.
    """
    name, shape = tensor.name, tuple(tensor.shape)
    faults = []
    if tensor.datatype not in datatypes:
        found = f"is {tensor.datatype or 'missing'}, expected {' or '.join(datatypes)}"
        faults.append(Violation(f"{name}.datatype", found))
    if "shared_memory_region" in tensor.parameters:
        faults.append(Violation(f"{name}.parameters", "names a shared memory region; send the tensor in the request"))
    if any(d < 0 for d in shape):
        faults.append(Violation(f"{name}.shape", f"is {describe_raw(shape)}, and a dimension cannot be negative"))
    elif math.prod(shape) > LARGEST:
        faults.append(Violation(f"{name}.shape", f"is {describe(shape)}, more than the {LARGEST} elements allowed"))
    if raw is not None and tensor.HasField("contents"):
        faults.append(Violation(f"{name}.contents", "stands beside raw_input_contents; send one of the two"))
    if faults:
        return None, faults
    array, found = _contents(tensor, raw)
    if array is None:
        return None, [Violation(f"{name}.contents", found)]
    return array.reshape(shape), []


def _contents(tensor: ModelInferRequest.InferInputTensor, raw: bytes | None) -> tuple[NDArray[Any] | None, str]:
    """Read the elements in a row, or say what is wrong with them."""
    name, dtype, elements = tensor.datatype, _DTYPES[tensor.datatype], math.prod(tensor.shape)
    needs = f"shape {describe(tensor.shape)} of {name} needs"
    if raw is not None:
        if len(raw) == dtype.itemsize * elements:
            return np.frombuffer(raw, dtype), ""
        return None, f"has {len(raw)} bytes, {needs} {dtype.itemsize * elements}"
    if name not in _FIELDS:
        return None, f"{name} has no typed contents: send it raw"
    contents = getattr(tensor.contents, _FIELDS[name])
    if len(contents) == elements:
        return np.array(contents, dtype), ""
    return None, f"has {len(contents)} elements in {_FIELDS[name]}, {needs} {elements}"


def write_output(name: str, array: Floats, response: ModelInferResponse, *, raw: bool) -> None:
    """Add an output, float32, to a response."""
    output = response.outputs.add(name=name, datatype="FP32", shape=array.shape)
    if raw:
        response.raw_output_contents.append(to_bytes(array))
    else:
        output.contents.CopyFrom(InferTensorContents(fp32_contents=array.ravel()))
