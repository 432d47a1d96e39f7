"""What one ModelInferRequest asks for, read against the model's signature."""

from dataclasses import dataclass

import numpy as np

from carousel.artifact import INPUTS, LAST_STEP, SEQUENCE
from carousel.errors import InvalidRequest, Violation
from carousel.rpc.open_inference.contents import FLOATS, INTEGERS, read_tensor
from carousel.rpc.open_inference.parameters import Parameters, read_parameters
from carousel.serving import Model
from carousel.stubs.oip.open_inference_pb2 import ModelInferRequest
from carousel.tensors import Floats, describe
from carousel.wire import Bounds, finite, shape_faults

LENGTHS = "lengths"


@dataclass(frozen=True, slots=True)
class Question:
    """A request without faults.

    Attributes:
        id: Comes back in the answer.
        steps: One sample each, float32 [timesteps, input_dim], without what lies past its length.
        timesteps: Of the padded tensor, and so of the answer.
        starts: The row of state each sample starts from, float32 [samples, state_width]; None is zeros.
        outputs: The names of what is wanted, in order.
        raw: Whether the answer's contents are raw, as the request's were.
    """

    id: str
    steps: list[Floats]
    timesteps: int
    starts: Floats | None
    outputs: tuple[str, ...]
    raw: bool
    parameters: Parameters

    @property
    def return_sequences(self) -> bool:
        """Whether every timestep's output is wanted."""
        return SEQUENCE in self.outputs

    @property
    def return_state(self) -> bool:
        """Whether a final state is wanted."""
        return any(name not in {SEQUENCE, LAST_STEP} for name in self.outputs)


class Reader:
    """Reads requests, or names every fault of one at once."""

    def __init__(self, bounds: Bounds, *, convert: bool) -> None:
        """Keep requests to `bounds`; `convert` takes FP64 and FP16 and rounds them to FP32."""
        self._bounds = bounds
        self._floats = FLOATS if convert else FLOATS[:1]

    def read(self, request: ModelInferRequest, model: Model) -> Question:
        """Read one request.

        Raises:
            InvalidRequest: There are faults.
        """
        parameters, faults = read_parameters(request.parameters)
        outputs = _outputs(request, model, faults)
        tensors = self._tensors(request, model, faults)
        inputs, lengths = tensors.pop(INPUTS, None), tensors.pop(LENGTHS, None)
        steps = self._steps(inputs, lengths, model, faults) if inputs is not None else []
        starts = None if inputs is None else _starts(tensors, len(inputs), model, faults)
        if parameters.sequence is not None:
            if inputs is not None and len(inputs) != 1:
                faults.append(Violation(f"{INPUTS}.shape", f"has {len(inputs)} samples; a live sequence is one"))
            if starts is not None and not parameters.start:
                first = model.version.states[0].name
                faults.append(Violation(first, "only the request with sequence_start may bring states"))
        if faults or inputs is None:
            raise InvalidRequest(tuple(faults))
        raw = bool(request.raw_input_contents)
        return Question(request.id, steps, inputs.shape[1], starts, outputs, raw, parameters)

    def _tensors(self, request: ModelInferRequest, model: Model, faults: list[Violation]) -> dict[str, Floats]:
        """Read every tensor that is known by name; float ones as float32."""
        raw = request.raw_input_contents
        if raw and len(raw) != len(request.inputs):
            found = f"has {len(raw)} entries for {len(request.inputs)} inputs, expected one each"
            faults.append(Violation("raw_input_contents", found))
            return {}
        known = (INPUTS, LENGTHS, *(state.name for state in model.version.states))
        tensors: dict[str, Floats] = {}
        seen = set()
        for i, tensor in enumerate(request.inputs):
            if tensor.name not in known:
                faults.append(Violation(f"inputs[{i}].name", f"is {tensor.name!r}, expected one of {', '.join(known)}"))
            elif tensor.name in seen:
                faults.append(Violation(f"inputs[{i}].name", f"is {tensor.name!r} for a second time"))
            else:
                array, found_here = read_tensor(
                    tensor, raw[i] if raw else None, INTEGERS if tensor.name == LENGTHS else self._floats
                )
                faults += found_here
                if array is not None:
                    tensors[tensor.name] = array if tensor.name == LENGTHS else _narrow(array)
            seen.add(tensor.name)
        if INPUTS not in seen:
            faults.append(Violation(INPUTS, "is missing: expected FP32 [samples, timesteps, input_dim]"))
        return tensors

    def _steps(self, inputs: Floats, lengths: Floats | None, model: Model, faults: list[Violation]) -> list[Floats]:
        """Cut `inputs` into samples, each to its length."""
        field, before = f"{INPUTS}.shape", len(faults)
        signature = model.signature
        if inputs.ndim != 3:
            expected = describe((None, signature.timesteps, signature.input_dim))
            faults.append(Violation(field, f"has rank {inputs.ndim}, {describe(inputs.shape)}; expected {expected}"))
            return []
        faults += shape_faults(inputs.shape[1:], field, signature, self._bounds)
        samples, timesteps = inputs.shape[:2]
        if not 0 < samples <= self._bounds.samples:
            faults.append(Violation(field, f"has {samples} samples, expected 1 to {self._bounds.samples}"))
        ends = [timesteps] * samples
        if lengths is not None:
            if lengths.shape not in {(samples,), (samples, 1)}:
                found = f"is {describe(lengths.shape)}, expected [{samples}], one length a sample"
                faults.append(Violation(f"{LENGTHS}.shape", found))
                return []
            ends = [int(length) for length in lengths.ravel()]
            least = signature.timesteps or 1
            faults += [
                Violation(LENGTHS, f"is {end} for sample {i}, expected {least} to {timesteps}")
                for i, end in enumerate(ends)
                if not least <= end <= timesteps
            ]
        if len(faults) > before:
            return []
        steps = []
        for i, end in enumerate(ends):
            sample, found_here = finite(inputs[i, :end], f"{INPUTS}[{i}]", self._bounds)
            faults += found_here
            if sample is not None:
                steps.append(sample)
        return steps


def _outputs(request: ModelInferRequest, model: Model, faults: list[Violation]) -> tuple[str, ...]:
    known = [spec.name for spec in model.signature.outputs]
    if not request.outputs:
        return tuple(known)
    known += [state.name for state in model.version.states]
    names = tuple(output.name for output in request.outputs)
    for i, (output, name) in enumerate(zip(request.outputs, names, strict=True)):
        field = f"outputs[{i}]"
        if name not in known:
            faults.append(Violation(f"{field}.name", f"is {name!r}, expected one of {', '.join(known)}"))
        elif name in names[:i]:
            faults.append(Violation(f"{field}.name", f"is {name!r} for a second time"))
        faults += [
            Violation(f"{field}.parameters", f"{refused} is not served")
            for refused in ("classification", "shared_memory_region")
            if refused in output.parameters
        ]
    return names


def _starts(states: dict[str, Floats], samples: int, model: Model, faults: list[Violation]) -> Floats | None:
    """Put the states side by side in the model's order, whatever order they came in."""
    if not states:
        return None
    expected = [(state.name, (samples, state.units)) for state in model.version.states]
    wrong = [
        Violation(name, "is missing: a start needs all of the model's states")
        if name not in states
        else Violation(f"{name}.shape", f"is {describe(states[name].shape)}, expected {describe(shape)}")
        for name, shape in expected
        if name not in states or states[name].shape != shape
    ]
    wrong += [Violation(name, "holds NaN or infinity") for name in states if not np.isfinite(states[name]).all()]
    faults += wrong
    return None if wrong else np.concatenate([states[name] for name, _ in expected], axis=1)


def _narrow(array: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return array if array.dtype == np.float32 else array.astype(np.float32)
