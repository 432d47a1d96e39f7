"""Predict: its message read as a request, and an answer written. Live messages hold the same tensors."""

import math

import numpy as np

from carousel.batching import Sequence
from carousel.errors import Violation
from carousel.rpc.v1.named import lengths_of, read_samples, wanted, write_named
from carousel.serving import (
    BEGINNING,
    Limits,
    Pending,
    Request,
    Tensors,
    Version,
    read_start,
    shape_faults,
    write_snapshot,
)
from carousel.stubs.v1 import inference_pb2 as pb
from carousel.tensors import Samples, describe
from carousel.wire import DATA_TYPES, write_tensor

_TOKENS = {number: dtype for dtype, number in DATA_TYPES.items() if dtype.kind == "i"}
"""What tokens may be sent as, whichever of them the model takes."""


def read_predict(
    request: pb.PredictRequest, size: int, deadline: float, trace: str, client: str, limits: Limits
) -> Request:
    """Read a message of `size` bytes; its tensors are read once it was admitted."""

    def lengths() -> list[int]:
        if request.samples:
            return lengths_of(request.samples)
        return [tensor.shape[0] if tensor.shape else 0 for tensor in request.inputs]

    def read(version: Version) -> Tensors:
        return _tensors(request, version, limits)

    return Request(
        model=request.model,
        version=request.version,
        label=request.version_label,
        samples=len(request.samples or request.inputs),
        lengths=lengths,
        size=size,
        wants_sequences=request.return_sequences or bool(request.samples or request.outputs),
        read=read,
        deadline=deadline,
        trace=trace,
        client=client,
        named=bool(request.samples),
    )


def read_steps(
    tensor: pb.Tensor, field: str, version: Version, limits: Limits, faults: list[Violation]
) -> list[Samples]:
    """View one tensor as [timesteps, ...], without a copy; give none, and name every fault, where it is wrong.

    Whether the timesteps suit the model is checked later; this looks at what the message says of its own bytes.
    """
    signature = version.signature
    dtype, shape, content = signature.dtype, tensor.shape, tensor.content
    if not signature.features and tensor.dtype in _TOKENS:
        dtype = _TOKENS[tensor.dtype]
    known = tensor.dtype == DATA_TYPES[dtype]
    if not known:
        faults.append(Violation(f"{field}.dtype", f"is {_dtype_name(tensor.dtype)}, expected {dtype}"))
    if len(shape) == 1 + len(signature.features):
        dims = tuple(shape)
        needed = dtype.itemsize * math.prod(dims)
        if len(content) == needed and known and min(dims) >= 0:
            return [np.frombuffer(content, dtype).reshape(dims)]
        if len(content) != needed and min(dims) >= 0:
            found = f"has {len(content)} bytes, shape {describe(shape)} of {dtype} needs {needed}"
            faults.append(Violation(f"{field}.content", found))
    faults += shape_faults(shape, f"{field}.shape", signature, limits)
    return []


def write_predictions(pending: Pending, request: pb.PredictRequest) -> pb.PredictResponse:
    """Write the answer of `request`."""
    names = wanted(request, pending.version)
    response = pb.PredictResponse(model=pending.version.name, version=pending.version.number)
    starts = pending.tensors.starts or [BEGINNING] * len(pending.sequences)
    for sequence, start in zip(pending.sequences, starts, strict=True):
        write_prediction(sequence, start.timesteps, pending.version, response.predictions.add(), names)
    return response


def write_prediction(
    sequence: Sequence, start: int, version: Version, into: pb.Prediction, names: tuple[str, ...] = ()
) -> None:
    """Write what a sequence gave, one that started after `start` timesteps; by `names` where there are any."""
    assert sequence.output is not None
    signature = version.signature
    if names:
        write_named(signature.by_name(sequence.output, names), into)
    elif sequence.return_sequences:
        write_tensor(signature.sequence_of(sequence.output), into.output)
    else:
        write_tensor(signature.last_step_of(sequence.output), into.output)
    if sequence.return_state:
        assert sequence.state is not None
        into.state = write_snapshot(version.fingerprint, start + sequence.sent, sequence.state)


def _tensors(request: pb.PredictRequest, version: Version, limits: Limits) -> Tensors:
    faults: list[Violation] = []
    samples, states = len(request.samples or request.inputs), request.initial_state
    if not samples:
        faults.append(Violation("inputs", "is missing: expected one tensor a sequence"))
    elif request.samples and request.inputs:
        faults.append(Violation("samples", "stand beside inputs; send one of the two"))
    faults += version.signature.output_faults(request.outputs, "outputs")
    names = wanted(request, version)
    if states and len(states) != samples:
        found = f"holds {len(states)} states for {samples} inputs, expected none or one each"
        faults.append(Violation("initial_state", found))
    inputs: list[Samples] = []
    places: list[int] = []
    if request.samples and not faults:
        inputs, places = read_samples(request.samples, version, faults)
    for i, tensor in enumerate(request.inputs):
        steps = read_steps(tensor, f"inputs[{i}]", version, limits, faults)
        inputs += steps
        places += [i] * len(steps)
    field = "samples" if request.samples else "inputs"
    return Tensors(
        inputs,
        lambda i, part: f"{field}[{places[i]}].{part}",
        return_sequences=version.signature.timewise(names) if names else request.return_sequences,
        return_state=request.return_state,
        starts=[read_start(snapshot, version) for snapshot in states] if not faults else [],
        faults=faults,
    )


def _dtype_name(value: int) -> str:
    if value == pb.DATA_TYPE_UNSPECIFIED:
        return "missing"
    try:
        return str(pb.DataType.Name(value)).removeprefix("DATA_TYPE_").lower()
    except ValueError:
        return f"unknown ({value})"
