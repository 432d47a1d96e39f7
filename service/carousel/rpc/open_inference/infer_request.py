"""A ModelInferRequest read: its header at once, its tensors once it was admitted."""

import math
import time
from dataclasses import dataclass

import numpy as np

from carousel.artifact import INPUTS, LAST_STEP, SEQUENCE
from carousel.errors import InvalidRequest, Violation
from carousel.rpc.open_inference.contents import DATATYPES, FLOATS, INTEGERS, read_tensor
from carousel.rpc.open_inference.parameters import Parameters, read_parameters
from carousel.serving import Limits, Request, Start, Tensors, Version
from carousel.stubs.oip.open_inference_pb2 import ModelInferRequest
from carousel.tensors import Floats, Samples, describe

LENGTHS = "lengths"

_MAX_TENSORS = 256
"""Inputs and outputs that a request may name: the model's own, its lengths and its states are far fewer."""

_DIGITS = 19  # of the largest version


@dataclass(frozen=True, slots=True)
class Rules:
    """What requests are read by.

    Attributes:
        limits: What one may ask for.
        convert: Whether FP64 and FP16 are taken and rounded to FP32.
    """

    limits: Limits
    convert: bool


class InferRequest:
    """One request.

    Attributes:
        id: Comes back in the answer.
        parameters: What it asks beside its tensors.
        timesteps: Of the padded tensor, and so of the answer.
        outputs: The names of what is wanted, in order; known once `read` was called.
        raw: Whether the answer's contents are raw, as the request's were.
    """

    def __init__(self, message: ModelInferRequest, size: int, rules: Rules) -> None:
        """Read the header of a message of `size` bytes.

        Raises:
            InvalidRequest: It names more tensors than any model has, or names that are too long.
        """
        self._message = message
        self._size = size
        self._rules = rules
        for field, count in (("inputs", len(message.inputs)), ("outputs", len(message.outputs))):
            if count > _MAX_TENSORS:
                raise _wrong(field, f"names {count} tensors, the limit is {_MAX_TENSORS}")
        limit = rules.limits.name_bytes
        if len(message.id) > limit:
            raise _wrong("id", f"has {len(message.id)} characters, the limit is {limit} (max_name_bytes)")
        self.id = message.id
        self.parameters: Parameters
        self.parameters, self._faults = read_parameters(message.parameters, limit)
        self.raw = bool(message.raw_input_contents)
        self.outputs: tuple[str, ...] = ()
        self.timesteps = 0

    @property
    def version(self) -> tuple[int, str]:
        """The version that is asked for, and the label; 0 and "" for the newest.

        Raises:
            InvalidRequest: It is a number, and none from 1 to 2**63-1.
        """
        return read_version(self._message.model_version)

    @property
    def model(self) -> str:
        """The model's name."""
        return self._message.model_name

    def request(self, deadline: float, trace: str) -> Request:
        """Give it to the neck of the house: whole sequences, without live state."""
        version, label = self.version
        shapes = [tensor.shape[:2] for tensor in self._message.inputs if tensor.name == INPUTS]
        samples, timesteps = [*(shapes[0] if shapes else ()), 0, 1][:2]
        timeout = self.parameters.timeout
        until = math.inf if timeout is None else time.monotonic() + timeout
        names = {output.name for output in self._message.outputs}
        return Request(
            model=self.model,
            version=version,
            label=label,
            samples=max(0, samples),
            lengths=lambda: [timesteps] * samples,
            size=self._size,
            wants_sequences=not names or SEQUENCE in names,
            read=self.read,
            deadline=math.inf if self._faults else min(deadline, until),  # faults are named, however late
            trace=trace,
        )

    def read(self, version: Version) -> Tensors:
        """Read the tensors against the version that will run them; what is wrong stands in `faults`."""
        faults = list(self._faults)
        self.outputs = _outputs(self._message, version, faults)
        arrays = self._arrays(version, faults)
        inputs, lengths = arrays.pop(INPUTS, None), arrays.pop(LENGTHS, None)
        samples: list[Samples] = []
        starts: list[Start] = []
        if inputs is not None:
            samples = self._samples(inputs, lengths, version, faults)
            starts = _starts(arrays, len(inputs), version, faults)
            if self.parameters.sequence is not None:
                if len(inputs) != 1:
                    faults.append(Violation(f"{INPUTS}.shape", f"has {len(inputs)} samples; a live sequence is one"))
                if starts and not self.parameters.start:
                    first = version.states[0].name
                    faults.append(Violation(first, "only the request with sequence_start may bring states"))
        return Tensors(
            samples,
            lambda i, part: f"{INPUTS}.shape" if part == "shape" else f"{INPUTS}[{i}]",
            return_sequences=SEQUENCE in self.outputs,
            return_state=any(name not in {SEQUENCE, LAST_STEP} for name in self.outputs),
            starts=starts,
            faults=faults,
        )

    def _arrays(self, version: Version, faults: list[Violation]) -> dict[str, Samples]:
        """Read every tensor that is known by name; float ones as float32."""
        message, raw = self._message, self._message.raw_input_contents
        if raw and len(raw) != len(message.inputs):
            found = f"has {len(raw)} entries for {len(message.inputs)} inputs, expected one each"
            faults.append(Violation("raw_input_contents", found))
            return {}
        known = (INPUTS, LENGTHS, *(state.name for state in version.states))
        arrays: dict[str, Samples] = {}
        seen = set()
        for i, tensor in enumerate(message.inputs):
            if tensor.name not in known:
                found = f"is {tensor.name[:64]!r}, expected one of {', '.join(known)}"
                faults.append(Violation(f"inputs[{i}].name", found))
            elif tensor.name in seen:
                faults.append(Violation(f"inputs[{i}].name", f"is {tensor.name!r} for a second time"))
            else:
                array = read_tensor(tensor, raw[i] if raw else None, self._datatypes(tensor.name, version), faults)
                if array is not None:
                    arrays[tensor.name] = _narrow(array) if array.dtype.kind == "f" else array
            seen.add(tensor.name)
        if INPUTS not in seen:
            expected = describe((None, version.signature.timesteps, *version.signature.features))
            datatype = DATATYPES[version.signature.dtype]
            faults.append(Violation(INPUTS, f"is missing: expected {datatype} {expected}"))
        return arrays

    def _datatypes(self, name: str, version: Version) -> tuple[str, ...]:
        """Say which datatypes a tensor may have, the best first."""
        if name == LENGTHS:
            return INTEGERS
        if name == INPUTS and not version.signature.features:
            return INTEGERS
        return FLOATS if self._rules.convert else FLOATS[:1]

    def _samples(
        self, inputs: Samples, lengths: Samples | None, version: Version, faults: list[Violation]
    ) -> list[Samples]:
        """Cut `inputs` into samples, each to its length. What the signature says of each is checked later."""
        signature, before = version.signature, len(faults)
        rank = 2 + len(signature.features)
        if inputs.ndim != rank:
            expected = describe((None, signature.timesteps, *signature.features))
            found = f"has rank {inputs.ndim}, {describe(inputs.shape)}; expected {expected}"
            faults.append(Violation(f"{INPUTS}.shape", found))
            return []
        samples, self.timesteps = inputs.shape[:2]
        if not samples:
            faults.append(Violation(f"{INPUTS}.shape", "has 0 samples, expected at least one"))
        ends = [self.timesteps] * samples
        if lengths is not None:
            if lengths.shape not in {(samples,), (samples, 1)}:
                found = f"is {describe(lengths.shape)}, expected [{samples}], one length a sample"
                faults.append(Violation(f"{LENGTHS}.shape", found))
                return []
            ends = [int(length) for length in lengths.ravel()]
            least = signature.timesteps or 1
            faults += [
                Violation(LENGTHS, f"is {end} for sample {i}, expected {least} to {self.timesteps}")
                for i, end in enumerate(ends)
                if not least <= end <= self.timesteps
            ]
        return [] if len(faults) > before else [inputs[i, :end] for i, end in enumerate(ends)]


def read_version(text: str) -> tuple[int, str]:
    """Read the protocol's version: a number or a label, and nothing is the newest.

    Raises:
        InvalidRequest: It is a number, and none from 1 to 2**63-1.
    """
    if not text or not (text.isascii() and text.removeprefix("-").isdigit()):
        return 0, text
    if text.startswith("-") or not 0 < len(text.lstrip("0")) <= _DIGITS:
        raise _wrong("model_version", f"is {text[:30]!r}, expected a number from 1, a label, or nothing")
    return int(text), ""


def _outputs(request: ModelInferRequest, version: Version, faults: list[Violation]) -> tuple[str, ...]:
    known = [spec.name for spec in version.signature.outputs]
    if not request.outputs:
        return tuple(known)
    known += [state.name for state in version.states]
    names = tuple(output.name for output in request.outputs)
    for i, (output, name) in enumerate(zip(request.outputs, names, strict=True)):
        field = f"outputs[{i}]"
        if name not in known:
            faults.append(Violation(f"{field}.name", f"is {name[:64]!r}, expected one of {', '.join(known)}"))
        elif name in names[:i]:
            faults.append(Violation(f"{field}.name", f"is {name!r} for a second time"))
        faults += [
            Violation(f"{field}.parameters", f"{refused} is not served")
            for refused in ("classification", "shared_memory_region")
            if refused in output.parameters
        ]
    return names


def _starts(states: dict[str, Floats], samples: int, version: Version, faults: list[Violation]) -> list[Start]:
    """Put the states side by side in the model's order, whatever order they came in; none where none came."""
    if not states:
        return []
    expected = [(state.name, (samples, state.units)) for state in version.states]
    wrong = [
        Violation(name, "is missing: a start needs all of the model's states")
        if name not in states
        else Violation(f"{name}.shape", f"is {describe(states[name].shape)}, expected {describe(shape)}")
        for name, shape in expected
        if name not in states or states[name].shape != shape
    ]
    wrong += [Violation(name, "holds NaN or infinity") for name in states if not np.isfinite(states[name]).all()]
    faults += wrong
    if wrong:
        return []
    rows = np.concatenate([states[name] for name, _ in expected], axis=1)
    return [Start(row) for row in rows]


def _narrow(array: Samples) -> Floats:
    with np.errstate(over="ignore"):
        return array if array.dtype == np.float32 else array.astype(np.float32)


def _wrong(field: str, description: str) -> InvalidRequest:
    return InvalidRequest((Violation(field, description),))
