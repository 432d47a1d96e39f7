"""How carousel.v1 says what a sequence gave and what a model is."""

from carousel.artifact.signature import TensorSpec
from carousel.batching.sequence import Sequence
from carousel.serving.model import Loaded
from carousel.serving.snapshot import write_snapshot
from carousel.stubs.v1 import inference_pb2 as pb
from carousel.wire.messages import write_tensor


def write_prediction(sequence: Sequence, start: int, loaded: Loaded, into: pb.Prediction) -> None:
    """Write what a sequence gave, one that started after `start` timesteps."""
    assert sequence.output is not None
    write_tensor(sequence.output, into.output)
    if sequence.return_state:
        assert sequence.state is not None
        into.state = write_snapshot(loaded.fingerprint, start + sequence.timesteps, sequence.state)


def write_model(loaded: Loaded, into: pb.Model) -> None:
    """Write what a client needs to know of a model."""
    signature = loaded.signature
    into.name, into.version = loaded.name, loaded.version
    _write_spec(signature.inputs, into.inputs.add())
    for spec in signature.outputs:
        _write_spec(spec, into.outputs.add())
    into.input_dim, into.units = signature.input_dim, signature.units
    into.timesteps = signature.timesteps or 0
    into.engine = loaded.engine.name
    into.stateful = bool(loaded.states)
    for state in loaded.states:
        into.states.add(name=state.name, units=state.units)
    into.fingerprint = loaded.fingerprint


def _write_spec(spec: TensorSpec, into: pb.TensorSpec) -> None:
    into.name = spec.name
    into.dtype = pb.DATA_TYPE_FLOAT32
    into.shape[:] = [-1 if d is None else d for d in spec.shape]
