"""A ModelInferResponse written: what sequences gave, by the names asked for."""

import numpy as np

from carousel.artifact import LAST_STEP, SEQUENCE
from carousel.batching import Sequence
from carousel.rpc.open_inference.contents import write_output
from carousel.rpc.open_inference.infer_request import InferRequest
from carousel.serving import Version
from carousel.stubs.oip.open_inference_pb2 import ModelInferResponse
from carousel.tensors import Floats


def write_response(request: InferRequest, version: Version, sequences: list[Sequence]) -> ModelInferResponse:
    """Write what one request's sequences gave, each float32, by the names asked for."""
    response = ModelInferResponse(model_name=version.name, model_version=str(version.number), id=request.id)
    for name in request.outputs:
        if name == SEQUENCE:
            output = _padded(sequences, request.timesteps)
        elif name == LAST_STEP:
            output = np.stack([_last(sequence) for sequence in sequences])
        else:
            output = np.stack([_state(sequence, name, version) for sequence in sequences])
        write_output(name, output, response, raw=request.raw)
    return response


def _padded(sequences: list[Sequence], timesteps: int) -> Floats:
    """Lay the full sequences side by side, [samples, timesteps, units], zeros past each one's length.

    A whole model may give another number of timesteps than it takes; then there are as many as its longest answer has.
    """
    outputs = [_output(sequence) for sequence in sequences]
    if any(len(output) != sequence.timesteps for output, sequence in zip(outputs, sequences, strict=True)):
        timesteps = max(len(output) for output in outputs)
    padded = np.zeros((len(sequences), timesteps, outputs[0].shape[-1]), np.float32)
    for row, output in zip(padded, outputs, strict=True):
        row[: len(output)] = output
    return padded


def _last(sequence: Sequence) -> Floats:
    output = _output(sequence)
    last: Floats = output[-1] if sequence.return_sequences else output
    return last


def _state(sequence: Sequence, name: str, version: Version) -> Floats:
    assert sequence.state is not None
    begin = 0
    for state in version.states:
        if state.name == name:
            break
        begin += state.units
    return sequence.state[begin : begin + state.units]


def _output(sequence: Sequence) -> Floats:
    assert sequence.output is not None
    return sequence.output
