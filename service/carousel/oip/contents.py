"""The protocol's tensors to numpy arrays and back. No copy is made of raw float32 contents on the way in."""

import math

import numpy as np

from carousel.errors import Violation
from carousel.stubs.oip.open_inference_pb2 import ModelInferRequest, ModelInferResponse
from carousel.tensors import Samples, describe, describe_raw

FLOATS = ("FP32", "FP64", "FP16")
INTEGERS = ("INT32", "INT64")
NUMBERS = (*FLOATS, *INTEGERS, "INT16", "INT8", "UINT8", "BOOL")

DTYPES = {
    name: np.dtype(code)
    for name, code in zip(NUMBERS, ("<f4", "<f8", "<f2", "<i4", "<i8", "<i2", "i1", "u1", "?"), strict=True)
}
DATATYPES = {dtype: name for name, dtype in DTYPES.items()}
"""The protocol's words for what a model may take and give."""

_MAX_RANK = 8
_MAX_DIMENSION = 2**31 - 1
_SHOWN = 16  # characters of a datatype that there is not

_FIELDS = {"FP32": "fp32_contents", "FP64": "fp64_contents", "INT32": "int_contents", "INT64": "int64_contents"}
_FIELDS |= {"INT16": "int_contents", "INT8": "int_contents", "UINT8": "uint_contents", "BOOL": "bool_contents"}


def read_tensor(
    tensor: ModelInferRequest.InferInputTensor,
    raw: bytes | None,
    datatypes: tuple[str, ...],
    faults: list[Violation],
) -> Samples | None:
    """Read an input of one of `datatypes`; `raw` are its raw contents, None where it has typed ones.

    Returns:
        The tensor, or None and every fault in `faults`.
    """
    name, shape, before = tensor.name, tensor.shape, len(faults)
    if tensor.datatype not in datatypes:
        found = f"is {tensor.datatype[:_SHOWN] or 'missing'}, expected {' or '.join(datatypes)}"
        faults.append(Violation(f"{name}.datatype", found))
    if "shared_memory_region" in tensor.parameters:
        faults.append(Violation(f"{name}.parameters", "names a shared memory region; send the tensor in the request"))
    # Counts first, arithmetic after: a sender may claim a million dimensions of 2**62.
    if len(shape) > _MAX_RANK:
        faults.append(Violation(f"{name}.shape", f"has rank {len(shape)}, expected {_MAX_RANK} at most"))
    elif shape and min(shape) < 0:
        faults.append(Violation(f"{name}.shape", f"is {describe_raw(shape)}, and a dimension cannot be negative"))
    elif shape and max(shape) > _MAX_DIMENSION:
        faults.append(Violation(f"{name}.shape", f"is {describe(shape)}, and no message holds so many elements"))
    if raw is not None and tensor.HasField("contents"):
        faults.append(Violation(f"{name}.contents", "stands beside raw_input_contents; send one of the two"))
    if len(faults) > before:
        return None
    array, found = _contents(tensor, raw)
    if array is None:
        faults.append(Violation(f"{name}.contents", found))
        return None
    return array.reshape(tuple(shape))


def _contents(tensor: ModelInferRequest.InferInputTensor, raw: bytes | None) -> tuple[Samples | None, str]:
    """Read the elements in a row, or say what is wrong with them."""
    name, dtype, elements = tensor.datatype, DTYPES[tensor.datatype], math.prod(tensor.shape)
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


def write_output(name: str, array: Samples, response: ModelInferResponse, *, raw: bool) -> None:
    """Add an output to a response."""
    datatype = DATATYPES[array.dtype]
    if not raw and datatype not in _FIELDS:
        array, datatype = array.astype(np.float32), "FP32"  # FP16 has no typed contents
    output = response.outputs.add(name=name, datatype=datatype, shape=array.shape)
    if raw:
        response.raw_output_contents.append(np.ascontiguousarray(array).tobytes())
    else:
        getattr(output.contents, _FIELDS[datatype]).extend(array.ravel().tolist())
