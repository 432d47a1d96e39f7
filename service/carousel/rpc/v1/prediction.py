"""How carousel.v1 says what a sequence gave and what a model is."""

from carousel.artifact import TensorSpec
from carousel.batching import Sequence
from carousel.serving import Version, write_snapshot
from carousel.stubs.v1 import inference_pb2 as pb
from carousel.wire import write_tensor


def write_prediction(sequence: Sequence, start: int, version: Version, into: pb.Prediction) -> None:
    """Write what a sequence gave, one that started after `start` timesteps."""
    assert sequence.output is not None
    write_tensor(sequence.output, into.output)
    if sequence.return_state:
        assert sequence.state is not None
        into.state = write_snapshot(version.fingerprint, start + sequence.timesteps, sequence.state)


def write_model(version: Version, into: pb.Model) -> None:
    """Write what a client needs to know of a model."""
    signature = version.signature
    into.name, into.version = version.name, version.number
    _write_spec(signature.inputs, into.inputs.add())
    for spec in signature.outputs:
        _write_spec(spec, into.outputs.add())
    into.input_dim, into.units = signature.input_dim, signature.units
    into.timesteps = signature.timesteps or 0
    into.engine = version.engine.name
    into.stateful = bool(version.states)
    for state in version.states:
        into.states.add(name=state.name, units=state.units)
    into.fingerprint = version.fingerprint


def _write_spec(spec: TensorSpec, into: pb.TensorSpec) -> None:
    into.name = spec.name
    into.dtype = pb.DATA_TYPE_FLOAT32
    into.shape[:] = [-1 if d is None else d for d in spec.shape]
