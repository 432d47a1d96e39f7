"""How the protocol says what sequences gave."""

import numpy as np

from carousel.artifact import LAST_STEP, SEQUENCE
from carousel.batching import Sequence
from carousel.rpc.open_inference.contents import write_output
from carousel.rpc.open_inference.infer_request import Question
from carousel.serving import Version
from carousel.stubs.oip.open_inference_pb2 import ModelInferResponse
from carousel.tensors import Floats


def write_answer(question: Question, version: Version, rides: list[Sequence]) -> ModelInferResponse:
    """Write what one request's sequences gave, each float32, by the names asked for."""
    response = ModelInferResponse(model_name=version.name, model_version=str(version.number), id=question.id)
    for name in question.outputs:
        if name == SEQUENCE:
            output = _padded(rides, question.timesteps)
        elif name == LAST_STEP:
            output = np.stack([_last(ride) for ride in rides])
        else:
            output = np.stack([_state(ride, name, version) for ride in rides])
        write_output(name, output, response, raw=question.raw)
    return response


def _padded(rides: list[Sequence], timesteps: int) -> Floats:
    """Lay the full sequences side by side, [samples, timesteps, units], zeros past each one's length.

    A whole model may give another number of timesteps than it takes; then there are as many as its longest answer has.
    """
    outputs = [_output(ride) for ride in rides]
    if any(len(output) != ride.timesteps for output, ride in zip(outputs, rides, strict=True)):
        timesteps = max(len(output) for output in outputs)
    padded = np.zeros((len(rides), timesteps, outputs[0].shape[-1]), np.float32)
    for row, output in zip(padded, outputs, strict=True):
        row[: len(output)] = output
    return padded


def _last(ride: Sequence) -> Floats:
    output = _output(ride)
    last: Floats = output[-1] if ride.return_sequences else output
    return last


def _state(ride: Sequence, name: str, version: Version) -> Floats:
    assert ride.state is not None
    begin = 0
    for state in version.states:
        if state.name == name:
            break
        begin += state.units
    return ride.state[begin : begin + state.units]


def _output(ride: Sequence) -> Floats:
    assert ride.output is not None
    return ride.output
