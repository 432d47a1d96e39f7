"""What both clients send and read: messages to arrays and back, statuses to errors."""

import collections.abc
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
import numpy as np
from numpy.typing import ArrayLike

from carousel.errors import CarouselError
from carousel.stubs.v1 import inference_pb2 as pb
from carousel.tensors import Floats, Samples, TensorSpec
from carousel.wire import as_samples, as_tensor, error_of, named, read_tensor, write_tensor

Steps = ArrayLike | Mapping[str, ArrayLike]
"""Timesteps of one sequence: an array, or one for each input by its own name."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one sequence.

    Attributes:
        output: float32 [units], or [timesteps, units] with return_sequences; [0] while a live sequence's window is not
            full.
        state: With return_state a snapshot to start from later; else empty.
        outputs: Where outputs were asked for by name, or inputs given by name: each as the model's author declared it,
            without the batch; `output` is empty then.
    """

    output: Floats
    state: bytes = b""
    outputs: Mapping[str, Samples] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What the server says of one model version.

    Attributes:
        timesteps: The one length the model takes; None where any length will do.
        states: (name, units) of the parts of a snapshot, in order; empty for a model that cannot be live.
        batch_invariant: Whether, as it was loaded, no answer depended on its batch by a single bit; None where that is
            not promised.
        own_inputs, own_outputs: What the model's author declared, in their order; None where a dimension may vary.
    """

    name: str
    version: int
    input_dim: int
    units: int
    timesteps: int | None
    engine: str
    states: tuple[tuple[str, int], ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    fingerprint: str
    own_inputs: tuple[TensorSpec, ...] = ()
    own_outputs: tuple[TensorSpec, ...] = ()
    batch_invariant: bool | None = None


def predict_request(
    model: str,
    sequences: collections.abc.Sequence[Steps],
    version: int,
    return_sequences: bool,
    return_state: bool,
    initial_state: collections.abc.Sequence[bytes],
    outputs: collections.abc.Sequence[str] = (),
) -> pb.PredictRequest:
    """Write a request; each sequence is [timesteps, input_dim] and becomes float32, or [timesteps] of tokens.

    Or each is a mapping: every input by its own name.
    """
    request = pb.PredictRequest(
        model=model,
        version=version,
        return_sequences=return_sequences,
        return_state=return_state,
        initial_state=initial_state,
        outputs=outputs,
    )
    for sequence in sequences:
        if isinstance(sequence, Mapping):
            sample = request.samples.add()
            for name, array in sequence.items():
                write_tensor(as_tensor(array), sample.tensors[name])
        else:
            write_tensor(as_samples(sequence), request.inputs.add())
    return request


def live_steps(steps: Steps) -> pb.StreamRequest:
    """Write new timesteps of a live sequence: [timesteps, ...], or a mapping of each input by its own name."""
    request = pb.StreamRequest()
    if isinstance(steps, Mapping):
        request.sample.SetInParent()
        for name, array in steps.items():
            write_tensor(as_tensor(array), request.sample.tensors[name])
    else:
        write_tensor(as_samples(steps), request.input)
    return request


def predictions(response: pb.PredictResponse) -> list[Prediction]:
    """Read the answers, one a sequence."""
    return [prediction(each) for each in response.predictions]


def prediction(message: pb.Prediction) -> Prediction:
    """Read one answer."""
    if message.outputs:
        named = {name: read_tensor(tensor) for name, tensor in message.outputs.items()}
        return Prediction(np.empty(0, np.float32), message.state, named)
    output = read_tensor(message.output) if message.HasField("output") else np.empty(0, np.float32)
    return Prediction(output, message.state)


def description(model: pb.Model) -> ModelDescription:
    """Read what the server says of a model."""
    return ModelDescription(
        model.name,
        model.version,
        model.input_dim,
        model.units,
        model.timesteps or None,
        model.engine,
        tuple((state.name, state.units) for state in model.states),
        tuple(_spec(spec) for spec in model.inputs),
        tuple(_spec(spec) for spec in model.outputs),
        model.fingerprint,
        tuple(map(_own, model.own_inputs)),
        tuple(map(_own, model.own_outputs)),
        model.batch_invariant if model.HasField("batch_invariant") else None,
    )


def raised(error: grpc.RpcError) -> CarouselError:
    """Read a failed call as the error that the server raised."""
    details = b""
    trailing = cast("Iterable[tuple[str, Any]]", error.trailing_metadata() or ())  # pairs, of both kinds of channel
    for key, value in trailing:
        if key == "grpc-status-details-bin":
            details = value
    return error_of(error.code().value[0], error.details() or "", details)


def failure(failure: pb.Failure) -> CarouselError:
    """Read why one live sequence ended as the error that the server raised."""
    return named(failure.reason, failure.code, failure.message)


def _spec(spec: pb.TensorSpec) -> str:
    return str(_own(spec))


def _own(spec: pb.TensorSpec) -> TensorSpec:
    dtype = pb.DataType.Name(spec.dtype).removeprefix("DATA_TYPE_").lower()
    return TensorSpec(spec.name, dtype, tuple(None if dim < 0 else dim for dim in spec.shape))
