"""A PredictRequest read, and its answer written."""

from collections.abc import Iterable

import numpy as np

from carousel.artifact import Column
from carousel.errors import InvalidRequest, Violation, shortened
from carousel.rpc.tfserving.model_spec import Spec, find_face, write_spec
from carousel.rpc.tfserving.tensor_proto import claimed_elements, read_tensor, write_tensor
from carousel.serving import Face, Pending, Request, Tensors, Version, read_states
from carousel.stubs.tfserving import serving_pb2 as pb
from carousel.stubs.tfserving.tensor_pb2 import TensorProto
from carousel.tensors import FLOAT32, Samples

_MAX_TENSORS = 256
"""Inputs and outputs that a request may name: the model's own and its states are far fewer."""


class Prediction:
    """One request."""

    def __init__(self, message: pb.PredictRequest, size: int, spec: Spec) -> None:
        """Read the header of a message of `size` bytes.

        Raises:
            InvalidRequest: It names more tensors than any model has.
        """
        self._message = message
        self._size = size
        self._spec = spec
        self._face: Face
        self._outputs: tuple[str, ...] = ()
        for field, count in (("inputs", len(message.inputs)), ("output_filter", len(message.output_filter))):
            if count > _MAX_TENSORS:
                raise InvalidRequest((Violation(field, f"names {count} tensors, the limit is {_MAX_TENSORS}"),))

    def request(self, deadline: float, trace: str, client: str) -> Request:
        """Give it to the neck of the house."""
        tensors = self._message.inputs.values()
        shapes = [[dim.size for dim in tensor.tensor_shape.dim[:2]] for tensor in tensors]
        samples = max((shape[0] for shape in shapes if shape), default=0)
        timesteps = max((shape[1] for shape in shapes if len(shape) > 1), default=1)
        claimed = FLOAT32.itemsize * sum(map(claimed_elements, tensors))
        return Request(
            model=self._spec.name,
            version=self._spec.number,
            label=self._spec.label,
            samples=max(0, samples),
            lengths=lambda: [timesteps] * samples,
            size=max(self._size, claimed),  # a tensor that is filled up is work as if it had been sent whole
            wants_sequences=True,
            read=self.read,
            deadline=deadline,
            trace=trace,
            client=client,
            signature=self._spec.signature,
            named=True,
        )

    def read(self, version: Version) -> Tensors:
        """Read the tensors by the signature that is asked for; what is wrong stands in `faults`.

        Raises:
            SignatureNotFound: The version has no such signature.
            InvalidRequest: The names of inputs or outputs are not the signature's.
        """
        self._face = face = find_face(version, self._spec.signature)
        self._outputs = face.choose(tuple(self._message.output_filter))
        sent = _by_name(self._message, face)
        faults: list[Violation] = []
        arrays = {name: read_tensor(name, tensor, faults) for name, tensor in sent.items()}
        given = {name: _narrow(array) for name, array in arrays.items() if array is not None}
        states = {spec.name: given.pop(spec.name) for spec in face.states if spec.name in given}
        inputs = [] if faults else _samples(given, version, faults)
        starts = read_states(states, len(inputs), version, faults) if not faults else []
        first = face.takes.names[0]
        return Tensors(
            inputs,
            lambda i, part: f"{first}.tensor_shape" if part == "shape" else f"{first}[{i}]",
            return_sequences=face.gives.timewise(self._outputs),
            return_state=any(spec.name in self._outputs for spec in face.states),
            starts=starts,
            faults=faults,
        )

    def write(self, pending: Pending) -> pb.PredictResponse:
        """Write what its sequences gave."""
        version, response, face = pending.version, pb.PredictResponse(), self._face
        write_spec(version, response.model_spec, face.name)
        states = [spec.name for spec in face.states if spec.name in self._outputs]
        named: list[dict[str, Samples]] = []
        for sequence in pending.sequences:
            assert sequence.output is not None
            named.append(face.gives.split(sequence.output, self._outputs))
            if states:
                assert sequence.state is not None
                named[-1] |= {name: version.state_of(sequence.state, name) for name in states}
        for name in self._outputs:
            write_tensor(np.stack([each[name] for each in named]), response.outputs[name])
        return response


def _by_name(message: pb.PredictRequest, face: Face) -> dict[str, TensorProto]:
    """Give the tensors by the signature's names; the one input of a model may come by any name."""
    sent, required = dict(message.inputs), set(face.takes.names)
    unknown = sent.keys() - required - {spec.name for spec in face.states}
    if len(required) == 1 and len(unknown) == 1 and not required & sent.keys():
        sent[required.pop()] = sent.pop(unknown.pop())
    elif unknown or required - sent.keys():
        text = (
            f"input size does not match signature: {len(sent)}!={len(required)} len({_set(sent)}) != "
            f"len({_set(required)}). Sent extra: {_set(unknown)}. Missing but required: {_set(required - sent.keys())}."
        )
        raise InvalidRequest((Violation("", text),))
    return sent


def _samples(given: dict[str, Samples], version: Version, faults: list[Violation]) -> list[Samples]:
    """Put the author's inputs side by side, one array a sample."""
    takes = version.signature.takes
    column = takes.columns[0]
    array = given[column.spec.name]
    if len(given) == 1 and _is_the_one(array, column, version):
        return list(array)  # the neck holds each against the signature
    return takes.pack_batch(given, faults)


def _is_the_one(array: Samples, column: Column, version: Version) -> bool:
    """Whether an input is, as it came, what the model runs."""
    signature = version.signature
    alone = len(signature.takes.columns) == 1 and column.timewise
    return alone and array.ndim == 2 + len(signature.features) and array.dtype == signature.dtype and len(array) > 0


def _narrow(array: Samples) -> Samples:
    """Give floats of any width as float32; what is too large becomes infinite, which is refused as such."""
    with np.errstate(over="ignore"):
        return array.astype(np.float32, copy=False) if array.dtype.kind == "f" else array


def _set(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(map(shortened, names))) + "}"
