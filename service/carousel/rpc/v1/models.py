"""GetModel and ListModels: how carousel.v1 says what a model is."""

from carousel.artifact import TensorSpec
from carousel.serving import Version
from carousel.stubs.v1 import inference_pb2 as pb


def write_model(version: Version, into: pb.Model) -> None:
    """Write what a client needs to know of a model version."""
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
    if version.batch_invariant is not None:
        into.batch_invariant = version.batch_invariant
    for spec in signature.takes.specs:
        _write_spec(spec, into.own_inputs.add())
    for spec in signature.gives.specs:
        _write_spec(spec, into.own_outputs.add())


def _write_spec(spec: TensorSpec, into: pb.TensorSpec) -> None:
    into.name = spec.name
    into.dtype = getattr(pb, f"DATA_TYPE_{spec.dtype.upper()}")
    into.shape[:] = [-1 if d is None else d for d in spec.shape]
