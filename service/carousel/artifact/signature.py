"""What a model takes and gives, read from its own saved_model.pb without TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from carousel.errors import ModelRejected
from carousel.stubs.savedmodel.saved_model_pb2 import SavedModel, SignatureDef, TensorInfo
from carousel.tensors import describe

SERVING = "serving_default"
ADVANCE = "advance"
INPUTS, SEQUENCE, LAST_STEP = "inputs", "sequence", "last_step"

_DTYPES = {1: "float32", 2: "float64", 3: "int32", 7: "string", 9: "int64", 10: "bool", 19: "float16"}


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor's name, dtype and shape; None where a dimension may vary."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {describe(self.shape)}"


@dataclass(frozen=True)
class Signature:
    """What a served model takes and gives.

    Attributes:
        inputs: The one input: float32 [batch, timesteps, input_dim], or tokens, int32 or int64 [batch, timesteps].
        sequence: float32 [batch, timesteps, units]; None where the model gives no sequence. A whole model may give
            another number of timesteps than it takes.
        last_step: float32 [batch, units].
        min_timesteps: The shortest sequence that the model can answer.
        vocabulary: How many tokens there are, 0 to this, exclusive; None where that is not known, and for vectors.
    """

    inputs: TensorSpec
    sequence: TensorSpec | None
    last_step: TensorSpec
    min_timesteps: int = 1
    vocabulary: int | None = None

    # Every request is held against these: they are worked out once.
    @cached_property
    def features(self) -> tuple[int, ...]:
        """Shape of one timestep: (input_dim,), or () for tokens."""
        return tuple(d for d in self.inputs.shape[2:] if d is not None)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of what is sent."""
        return np.dtype(self.inputs.dtype)

    @cached_property
    def input_dim(self) -> int:
        """Features of a timestep; 0 for tokens."""
        return self.features[0] if self.features else 0

    @cached_property
    def timesteps(self) -> int | None:
        """The one length the model takes; None where any length will do."""
        return self.inputs.shape[1]

    @cached_property
    def units(self) -> int:
        """Units of an output."""
        dim = self.last_step.shape[-1]
        assert dim is not None
        return dim

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The outputs that the model has."""
        return (self.last_step,) if self.sequence is None else (self.sequence, self.last_step)


def read_signature(version: Path) -> Signature:
    """Read the signature of the SavedModel in the folder `version`.

    Raises:
        ModelRejected: There is no readable SavedModel, or its signature is not one that Carousel serves.
    """
    definitions = _definitions(version / "saved_model.pb")
    if SERVING not in definitions:
        raise ModelRejected(f"{version}: the SavedModel has no signature {SERVING!r}, only {sorted(definitions)}")
    inputs = _specs(definitions[SERVING].inputs)
    outputs = _specs(definitions[SERVING].outputs)
    if set(inputs) != {INPUTS} or LAST_STEP not in outputs:
        raise ModelRejected(
            f"{version}: signature {SERVING!r} must take {INPUTS!r} and give {LAST_STEP!r}; it takes {sorted(inputs)} "
            f"and gives {sorted(outputs)}. Export the model with `carousel export`."
        )
    signature = Signature(inputs[INPUTS], outputs.get(SEQUENCE), outputs[LAST_STEP])
    _refuse_unservable(version, signature)
    return signature


def _definitions(path: Path) -> dict[str, SignatureDef]:
    try:
        saved = SavedModel.FromString(path.read_bytes())
    except OSError as error:
        raise ModelRejected(f"{path}: cannot be read: {error.strerror}") from error
    except DecodeError as error:
        raise ModelRejected(f"{path}: is not a SavedModel") from error
    for graph in saved.meta_graphs:
        if "serve" in graph.meta_info_def.tags:
            return dict(graph.signature_def)
    raise ModelRejected(f"{path}: has no graph tagged 'serve'")


def _specs(infos: Mapping[str, TensorInfo]) -> dict[str, TensorSpec]:
    return {
        name: TensorSpec(
            name,
            _DTYPES.get(info.dtype, f"dtype {info.dtype}"),
            tuple(None if d.size < 0 else d.size for d in info.tensor_shape.dim),
        )
        for name, info in infos.items()
    }


def _refuse_unservable(version: Path, signature: Signature) -> None:
    inputs = signature.inputs
    if inputs.dtype not in {"float32", "int32", "int64"}:
        raise ModelRejected(f"{version}: {inputs}: only float32, and int32 or int64 for tokens, are served")
    if len(inputs.shape) != (3 if inputs.dtype == "float32" else 2) or None in inputs.shape[2:]:
        raise ModelRejected(
            f"{version}: {inputs}: expected [batch, timesteps, input_dim] of float32 with a fixed input_dim, or "
            "[batch, timesteps] of tokens"
        )
    ranks = [(signature.last_step, 2)]
    if signature.sequence is not None:
        ranks.append((signature.sequence, 3))
    for spec, rank in ranks:
        if spec.dtype != "float32" or len(spec.shape) != rank or spec.shape[-1] is None:
            raise ModelRejected(f"{version}: {spec}: only float32 of rank {rank} with a fixed last dimension is served")
