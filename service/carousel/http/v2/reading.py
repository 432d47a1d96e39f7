"""The body of an inference request, JSON and then the tensors sent in binary, as the protocol's message."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from carousel.errors import InvalidRequest, Violation, shortened
from carousel.http.documents import read_document, read_numbers
from carousel.oip import DTYPES
from carousel.stubs.oip.open_inference_pb2 import InferParameter, ModelInferRequest

_MAX_TENSORS = 256
_MAX_RANK = 8
_MAX_DIMENSION = 2**31 - 1
_MAX_PARAMETERS = 64
_MIN_INT, _MAX_INT, _MAX_UINT = -(2**63), 2**63 - 1, 2**64 - 1
_BINARY = ("binary_data", "binary_data_size", "binary_data_output")  # of this transport: the message knows none of them


@dataclass(frozen=True, slots=True)
class Asked:
    """One request.

    Attributes:
        message: What the protocol's gRPC face takes; every tensor in it is raw.
        binary: Whether outputs go out in binary where nothing else is said of them.
        outputs: Whether each output that was named goes out in binary.
        size: Bytes of the tensors.
    """

    message: ModelInferRequest
    binary: bool
    outputs: Mapping[str, bool]
    size: int

    def in_binary(self, name: str) -> bool:
        """Say whether an output goes out in binary."""
        return self.outputs.get(name, self.binary)


def read_infer(body: bytes, header: int | None, model: str, version: str) -> Asked:
    """Read a body whose first `header` bytes are JSON; all of it where that is None.

    Raises:
        InvalidRequest: Names what is wrong with it.
    """
    if header is not None and header > len(body):
        raise _wrong("Inference-Header-Content-Length", f"is {header}, and the body has {len(body)} bytes")
    document = _object(read_document(body if header is None else body[:header]), "body")
    message = ModelInferRequest(model_name=model, model_version=version, id=_text(document.get("id", ""), "id"))
    parameters = _object(document.get("parameters", {}), "parameters")
    _write_parameters(parameters, message.parameters, "parameters")
    rest = memoryview(b"" if header is None else body)[header or 0 :]
    for i, each in enumerate(_objects(document, "inputs")):
        rest = _read_input(each, f"inputs[{i}]", rest, message)
    if rest:
        raise _wrong("body", f"has {len(rest)} bytes after the last input's")
    binary, outputs = _flag(parameters, "binary_data_output", "parameters", default=False), {}
    for i, each in enumerate(_objects(document, "outputs")):
        field = f"outputs[{i}]"
        output = message.outputs.add(name=_text(each.get("name", ""), f"{field}.name"))
        said = _object(each.get("parameters", {}), f"{field}.parameters")
        _write_parameters(said, output.parameters, f"{field}.parameters")
        outputs[output.name] = _flag(said, "binary_data", f"{field}.parameters", default=binary)
    return Asked(message, binary, outputs, sum(map(len, message.raw_input_contents)))


def _read_input(given: dict[str, Any], field: str, rest: memoryview, message: ModelInferRequest) -> memoryview:
    """Add one input to the message; return what follows its bytes."""
    name, datatype = (
        _text(given.get("name", ""), f"{field}.name"),
        _text(given.get("datatype", ""), f"{field}.datatype"),
    )
    shape = given.get("shape")
    if not isinstance(shape, list) or len(shape) > _MAX_RANK or not all(map(_dimension, shape)):
        raise _wrong(f"{field}.shape", f"is no list of at most {_MAX_RANK} whole numbers from 0")
    tensor = message.inputs.add(name=name, datatype=datatype, shape=shape)
    parameters = _object(given.get("parameters", {}), f"{field}.parameters")
    _write_parameters(parameters, tensor.parameters, f"{field}.parameters")
    size = parameters.get("binary_data_size")
    if size is None:
        if "data" not in given:
            raise _wrong(f"{field}.data", "is missing; or send it in binary, and its binary_data_size")
        message.raw_input_contents.append(_packed(given["data"], datatype, shape, f"{field}.data"))
        return rest
    if "data" in given:
        raise _wrong(f"{field}.data", "stands beside binary_data_size; send one of the two")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(rest):
        found = f"is not in 0 to {len(rest)}, the bytes of the body that are left"
        raise _wrong(f"{field}.parameters.binary_data_size", found)
    message.raw_input_contents.append(bytes(rest[:size]))
    return rest[size:]


def _packed(data: Any, datatype: str, shape: list[int], field: str) -> bytes:
    """Pack nested or flat lists, row-major, into little-endian bytes."""
    if datatype not in DTYPES:
        return b""  # what is expected instead is said once the model is known
    if datatype == "FP16":
        raise _wrong(field, "FP16 has no form in JSON: send it in binary, or as FP32")
    dtype = DTYPES[datatype]
    array = np.asarray(data) if dtype.kind == "b" and _flat_of_bools(data) else read_numbers(data, field)
    if dtype.kind in "iu" and array.size:
        if array.dtype.kind not in "iu":
            raise _wrong(field, f"holds what is no whole number, and {datatype} has nothing else")
        bounds = np.iinfo(dtype)
        if int(array.min()) < bounds.min or int(array.max()) > bounds.max:
            raise _wrong(field, f"holds what {datatype} cannot hold")
    if dtype.kind == "b" and array.dtype.kind != "b":
        raise _wrong(field, "holds what is neither true nor false")
    expected = math.prod(shape)
    if array.size != expected:
        raise _wrong(field, f"has {array.size} elements, the shape {shape} needs {expected}")
    with np.errstate(over="ignore"):
        return array.astype(dtype).tobytes()


def _flat_of_bools(data: Any) -> bool:
    return isinstance(data, list) and all(isinstance(each, bool) for each in data)


def _write_parameters(given: dict[str, Any], parameters: Any, field: str) -> None:
    if len(given) > _MAX_PARAMETERS:
        raise _wrong(field, f"has {len(given)} entries, the limit is {_MAX_PARAMETERS}")
    for key, value in given.items():
        if key not in _BINARY:
            parameters[key].CopyFrom(_parameter(value, f"{field}.{shortened(key)}"))


def _parameter(value: Any, field: str) -> InferParameter:
    if isinstance(value, bool):
        return InferParameter(bool_param=value)
    if isinstance(value, int) and _MIN_INT <= value <= _MAX_INT:
        return InferParameter(int64_param=value)
    if isinstance(value, int) and 0 <= value <= _MAX_UINT:
        return InferParameter(uint64_param=value)
    if isinstance(value, float):
        return InferParameter(double_param=value)
    return InferParameter(string_param=_text(value, field))


def _dimension(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_DIMENSION


def _object(value: Any, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(field, "is no object")
    return value


def _objects(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = document.get(key, [])
    if not isinstance(value, list):
        raise _wrong(key, "is no list")
    if len(value) > _MAX_TENSORS:
        raise _wrong(key, f"names {len(value)} tensors, the limit is {_MAX_TENSORS}")
    return [_object(each, f"{key}[{i}]") for i, each in enumerate(value)]


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise _wrong(field, "is no string")
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can spell
        raise _wrong(field, "is no valid text") from None
    return value


def _flag(parameters: dict[str, Any], key: str, field: str, *, default: bool) -> bool:
    value = parameters.get(key, default)
    if not isinstance(value, bool):
        raise _wrong(f"{field}.{key}", "is neither true nor false")
    return value


def _wrong(field: str, found: str) -> InvalidRequest:
    return InvalidRequest((Violation(field, found),))
