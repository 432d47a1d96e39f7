"""A ModelInferRequest read: its header at once, its tensors once it was admitted."""

import math
import time
from dataclasses import dataclass

import numpy as np

from carousel.artifact import INPUTS, LAST_STEP, SEQUENCE
from carousel.errors import InvalidRequest, Violation
from carousel.oip.contents import DATATYPES, FLOATS, INTEGERS, NUMBERS, read_tensor
from carousel.oip.parameters import Parameters, read_parameters
from carousel.serving import Limits, Request, Start, Tensors, Version, read_states
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

    def request(self, deadline: float, trace: str, client: str) -> Request:
        """Give it to the neck of the house: whole sequences, without live state."""
        version, label = self.version
        given = [tensor for tensor in self._message.inputs if tensor.name == INPUTS]
        named = not given
        shapes = [t.shape[:2] for t in given or self._message.inputs if t.name != LENGTHS and t.shape]
        samples = shapes[0][0] if shapes else 0
        timesteps = max((shape[1] for shape in shapes if len(shape) > 1), default=1)
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
            wants_sequences=not names or bool(names - {LAST_STEP}),
            read=self.read,
            deadline=math.inf if self._faults else min(deadline, until),  # faults are named, however late
            trace=trace,
            client=client,
            named=named,
        )

    def read(self, version: Version) -> Tensors:
        """Read the tensors against the version that will run them; what is wrong stands in `faults`."""
        faults = list(self._faults)
        self.outputs = _outputs(self._message, version, faults)
        arrays = self._arrays(version, faults)
        lengths = arrays.pop(LENGTHS, None)
        given = {name: arrays.pop(name) for name in (INPUTS, *version.signature.takes.names) if name in arrays}
        samples: list[Samples] = []
        starts: list[Start] = []
        name = next(iter(given), INPUTS)
        if given:
            if _packed(given, version):
                samples = self._samples(given[INPUTS], lengths, version, faults)
            else:
                samples = self._named_samples(given, lengths, version, faults)
            count = len(given[name]) if given[name].ndim else 0
            starts = read_states(arrays, count, version, faults)
            if self.parameters.sequence is not None:
                if count != 1:
                    faults.append(Violation(f"{name}.shape", f"has {count} samples; a live sequence is one"))
                if starts and not self.parameters.start:
                    first = version.states[0].name
                    faults.append(Violation(first, "only the request with sequence_start may bring states"))
        return Tensors(
            samples,
            lambda i, part: f"{name}.shape" if part == "shape" else f"{name}[{i}]",
            return_sequences=version.signature.timewise(self.outputs),
            return_state=any(state.name in self.outputs for state in version.states),
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
        own = version.signature.takes.names
        known = (INPUTS, LENGTHS, *own, *[state.name for state in version.states])
        arrays: dict[str, Samples] = {}
        seen = set()
        for i, tensor in enumerate(message.inputs):
            if tensor.name not in known:
                found = f"is {tensor.name[:64]!r}, expected one of {', '.join(dict.fromkeys(known))}"
                faults.append(Violation(f"inputs[{i}].name", found))
            elif tensor.name in seen:
                faults.append(Violation(f"inputs[{i}].name", f"is {tensor.name!r} for a second time"))
            else:
                array = read_tensor(tensor, raw[i] if raw else None, self._datatypes(tensor.name, version), faults)
                if array is not None:
                    whole = tensor.name in own and tensor.name != INPUTS
                    arrays[tensor.name] = _narrow(array) if array.dtype.kind == "f" and not whole else array
            seen.add(tensor.name)
        if not seen & {INPUTS, *own}:
            if version.signature.foreign:
                faults += [
                    Violation(spec.name, f"is missing: expected {spec}") for spec in version.signature.takes.specs
                ]
                return arrays
            expected = describe((None, version.signature.timesteps, *version.signature.features))
            datatype = DATATYPES[version.signature.dtype]
            faults.append(Violation(INPUTS, f"is missing: expected {datatype} {expected}"))
        return arrays

    def _datatypes(self, name: str, version: Version) -> tuple[str, ...]:
        """Say which datatypes a tensor may have, the best first."""
        if name == LENGTHS:
            return INTEGERS
        if name in version.signature.takes.names:
            return NUMBERS if self._rules.convert else tuple(set(NUMBERS) - set(FLOATS[1:]))
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
        ends: list[int] | None = [self.timesteps] * samples
        if lengths is not None:
            ends = _ends(lengths, samples, self.timesteps, signature.timesteps or 1, faults)
        return [] if len(faults) > before or ends is None else [inputs[i, :end] for i, end in enumerate(ends)]

    def _named_samples(
        self, given: dict[str, Samples], lengths: Samples | None, version: Version, faults: list[Violation]
    ) -> list[Samples]:
        """Put the author's inputs side by side, those with timesteps cut to each sample's length."""
        takes = version.signature.takes
        timewise = {column.spec.name for column in takes.columns if column.timewise}
        self.timesteps = max(
            (given[name].shape[1] for name in timewise & given.keys() if given[name].ndim > 1), default=1
        )
        if lengths is None:
            return takes.pack_batch(given, faults)
        (samples, *_) = [len(array) for array in given.values() if array.ndim] or [0]
        ends = _ends(lengths, samples, self.timesteps, 1, faults)
        if ends is None or any(array.shape[:1] != (samples,) for array in given.values()):
            return takes.pack_batch(given, faults) if ends is not None else []
        packed = [
            takes.pack(
                {name: array[i, :end] if name in timewise else array[i] for name, array in given.items()}, faults
            )
            for i, end in enumerate(ends)
        ]
        return [sample for sample in packed if sample is not None]


def _packed(given: dict[str, Samples], version: Version) -> bool:
    """Whether the inputs came as Carousel's one, and not by the author's names."""
    return INPUTS in given and INPUTS not in version.signature.takes.names


def is_plain(message: ModelInferRequest) -> bool:
    """Whether a request says nothing but one raw tensor, Carousel's own, and one output, Carousel's own too."""
    return (
        len(message.inputs) == len(message.outputs) == len(message.raw_input_contents) == 1
        and not (message.id or message.parameters)
        and message.inputs[0].name == INPUTS
        and message.outputs[0].name in {SEQUENCE, LAST_STEP}
    )


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


def _ends(lengths: Samples, samples: int, timesteps: int, least: int, faults: list[Violation]) -> list[int] | None:
    """Read the length of each sample, from `least` to `timesteps`; None where one is wrong."""
    if lengths.shape not in {(samples,), (samples, 1)}:
        found = f"is {describe(lengths.shape)}, expected [{samples}], one length a sample"
        faults.append(Violation(f"{LENGTHS}.shape", found))
        return None
    ends = [int(length) for length in lengths.ravel()]
    wrong = [
        Violation(LENGTHS, f"is {end} for sample {i}, expected {least} to {timesteps}")
        for i, end in enumerate(ends)
        if not least <= end <= timesteps
    ]
    faults += wrong
    return None if wrong else ends


def _outputs(request: ModelInferRequest, version: Version, faults: list[Violation]) -> tuple[str, ...]:
    if not request.outputs:
        return tuple(spec.name for spec in version.signature.served_outputs)
    known = [*[spec.name for spec in version.signature.served_outputs], *[state.name for state in version.states]]
    known += version.signature.output_names
    names = tuple(output.name for output in request.outputs)
    for i, (output, name) in enumerate(zip(request.outputs, names, strict=True)):
        field = f"outputs[{i}]"
        if name not in known:
            expected = ", ".join(dict.fromkeys(known))
            faults.append(Violation(f"{field}.name", f"is {name[:64]!r}, expected one of {expected}"))
        elif name in names[:i]:
            faults.append(Violation(f"{field}.name", f"is {name!r} for a second time"))
        if output.parameters:
            faults += [
                Violation(f"{field}.parameters", f"{refused} is not served")
                for refused in ("classification", "shared_memory_region")
                if refused in output.parameters
            ]
    return names


def _narrow(array: Samples) -> Floats:
    if array.dtype == np.float32:
        return array
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def _wrong(field: str, description: str) -> InvalidRequest:
    return InvalidRequest((Violation(field, description),))
