"""What is asked of every peer: requests of the Open Inference Protocol, and the answer that is right for each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from carousel.artifact import CELL_GRAPH, FOLDER, INPUTS, LAST_STEP, SEQUENCE
from carousel.engines import OnnxEngine
from carousel.stubs.oip.open_inference_pb2 import ModelInferRequest, ModelInferResponse
from carousel.tensors import Floats
from tests.benchmarks.workloads import KERAS_FILE, lognormal, version

STACK, WHOLE, LIVE = "stack64", "lstm300", "stack64_live"
"""Models: [64] -> LSTM 128 -> LSTM 256; [300] -> LSTM 128; the first again, for live sequences."""

SHORT = 16
"""Timesteps up to which a sequence of workload C counts as short: about a quarter of them."""

TOLERANCE = 1e-5
"""What may lie between an answer and the known one; every output lies in -1 to 1."""

_WIDTHS = {64: 2 * (128 + 256), 300: 2 * 128}  # floats of a state, by a model's input_dim
_LIVE_STEPS = 50
_KEPT = 8  # right answers kept for each request: a server that pads or sums otherwise gives several


@dataclass(frozen=True, slots=True)
class Case:
    """A request and what is right for it.

    Attributes:
        request: The message, ready to send; for live sequences without the sequence's parameters.
        expected: The output, without the batch.
        timesteps: Of the sequence that is asked for.
    """

    request: bytes
    expected: Floats
    timesteps: int


class Workload:
    """Requests to one model.

    Attributes:
        name: As the table has it.
        cases: The requests; for live sequences `chains` instead, the requests of a sequence in order.
    """

    def __init__(self, name: str, cases: list[Case], chains: list[list[Case]] | None = None) -> None:
        self.name = name
        self.cases = cases
        self.chains = chains
        self._right: dict[bytes, list[bytes]] = {}

    def one(self) -> tuple[bytes, Callable[[bytes], bool]]:
        """Give a request, and what says whether an answer to it is right."""
        case = self.cases[0]
        return case.request, lambda answer: self.right(case, answer)

    def right(self, case: Case, answer: bytes) -> bool:
        """Say whether an answer is right: it is one that was seen and found right, or its numbers are read."""
        seen = self._right.setdefault(case.request, [])
        if answer in seen:
            return True
        response = ModelInferResponse.FromString(answer)
        if len(response.outputs) != 1:
            return False
        output = response.outputs[0]
        if response.raw_output_contents:
            found = np.frombuffer(response.raw_output_contents[0], np.float32)
        else:
            found = np.array(output.contents.fp32_contents, np.float32)
        if tuple(output.shape) != (1, *case.expected.shape) or found.size != case.expected.size:
            return False
        if not np.abs(found.reshape(case.expected.shape) - case.expected).max() <= TOLERANCE:
            return False
        if len(seen) < _KEPT:
            seen.append(answer)
        return True


def live_request(case: Case, sequence: int, *, start: bool, end: bool) -> bytes:
    """Write a request of a live sequence: parameters follow the rest, as protobuf allows."""
    parameters = ModelInferRequest()
    parameters.parameters["sequence_id"].int64_param = sequence
    if start:
        parameters.parameters["sequence_start"].bool_param = True
    if end:
        parameters.parameters["sequence_end"].bool_param = True
    return case.request + parameters.SerializeToString()


@cache
def workload(name: str) -> Workload:
    """Make a workload: A, B, C or live. The same numbers every time."""
    rng = np.random.default_rng(0)
    if name == "A":
        return Workload(name, _cases(STACK, [_normal(rng, 5, 64) for _ in range(64)]))
    if name == "B":
        return Workload(name, _cases(WHOLE, [_normal(rng, 100, 300) for _ in range(16)], SEQUENCE))
    if name == "C":
        return Workload(name, _cases(STACK, lognormal(256)))
    engine = _engine(STACK)
    chains = []
    for _ in range(64):
        steps = _normal(rng, _LIVE_STEPS, 64)
        outputs = _run(engine, steps)
        chains.append([_case(LIVE, steps[t : t + 1], outputs[t], LAST_STEP) for t in range(_LIVE_STEPS)])
    return Workload(name, [], chains)


def models() -> dict[str, Path]:
    """Give the folder of each model's version, exported where that was not done yet."""
    stack = version(STACK, 64)
    return {STACK: stack, WHOLE: version(WHOLE, 300, (128,)), LIVE: stack}


def cell_graph(model: str) -> Path:
    """Give a model's ONNX cell graph: inputs [timesteps, batch, input_dim] and state in, outputs and state out."""
    return models()[model] / FOLDER / CELL_GRAPH


def keras_file(model: str) -> Path:
    """Give the Keras model that a version was exported from."""
    return models()[model].parent / KERAS_FILE


def _engine(model: str) -> OnnxEngine:
    return OnnxEngine(cell_graph(model))


def _cases(model: str, sequences: list[Floats], output: str = LAST_STEP) -> list[Case]:
    engine, last = _engine(model), output == LAST_STEP
    return [_case(model, x, _run(engine, x)[-1 if last else slice(None)], output) for x in sequences]


def _run(engine: OnnxEngine, sequence: Floats) -> Floats:
    """Run one sequence alone and whole, on the engine itself: [timesteps, units]."""
    width = _WIDTHS[sequence.shape[1]]
    return engine.run(sequence[:, None], np.zeros((1, width), np.float32))[0][:, 0]


def _case(model: str, sequence: Floats, expected: Floats, output: str) -> Case:
    request = ModelInferRequest(model_name=model)
    request.inputs.add(name=INPUTS, datatype="FP32", shape=(1, *sequence.shape))
    request.outputs.add(name=output)
    request.raw_input_contents.append(sequence.tobytes())
    return Case(request.SerializeToString(), np.ascontiguousarray(expected), len(sequence))


def _normal(rng: np.random.Generator, *shape: int) -> Floats:
    return rng.standard_normal(shape).astype(np.float32)
