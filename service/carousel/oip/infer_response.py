"""A ModelInferResponse written: what sequences gave, by the names asked for."""

import numpy as np

from carousel.batching import Sequence
from carousel.oip.contents import write_output
from carousel.oip.infer_request import InferRequest
from carousel.serving import Version
from carousel.stubs.oip.open_inference_pb2 import ModelInferResponse
from carousel.tensors import Floats, Samples


def write_response(request: InferRequest, version: Version, sequences: list[Sequence]) -> ModelInferResponse:
    """Write what one request's sequences gave by the names asked for; none where a live one's window is not full."""
    response = ModelInferResponse(model_name=version.name, model_version=str(version.number), id=request.id)
    signature, states = version.signature, {state.name for state in version.states}
    answered = all(sequence.output is not None for sequence in sequences)
    for name in request.outputs if answered else ():
        output: Samples
        if name in states:
            output = np.stack([version.state_of(_row(sequence), name) for sequence in sequences])
        else:
            named = [signature.by_name(_output(sequence), [name])[name] for sequence in sequences]
            every = signature.timewise([name])
            output = _padded(named, sequences, request.timesteps) if every else np.stack(named)
        write_output(name, output, response, raw=request.raw)
    return response


def _padded(outputs: list[Samples], sequences: list[Sequence], timesteps: int) -> Samples:
    """Lay what the sequences gave side by side, [samples, timesteps, ...], zeros past each one's length.

    A whole model may give another number of timesteps than it takes; then there are as many as its longest answer has.
    """
    if any(len(output) != sequence.sent for output, sequence in zip(outputs, sequences, strict=True)):
        timesteps = max(len(output) for output in outputs)
    padded = np.zeros((len(sequences), timesteps, *outputs[0].shape[1:]), outputs[0].dtype)
    for row, output in zip(padded, outputs, strict=True):
        row[: len(output)] = output
    return padded


def _row(sequence: Sequence) -> Floats:
    assert sequence.state is not None
    return sequence.state


def _output(sequence: Sequence) -> Floats:
    assert sequence.output is not None
    return sequence.output
