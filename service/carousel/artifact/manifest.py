"""What stands in a version's assets.extra/: what the exporter says of the model, and what proves it."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from carousel.artifact.layout import Column, Layout, tokens_layout
from carousel.artifact.signature import FOLDER, MANIFEST, Signature
from carousel.errors import ModelRejected
from carousel.tensors import TensorSpec

CELL_GRAPH, GOLDEN = "cell_graph.onnx", "golden.npz"


class State(BaseModel):
    """One of a model's states: its name in the signature `advance`, like lstm_h, and its width."""

    model_config = ConfigDict(frozen=True)

    name: str
    units: int


class Part(BaseModel):
    """One of the model's own inputs or outputs.

    Attributes:
        name: As the author named it.
        width: How many features of the one input, or the one output, are its own.
        timewise: Whether it has timesteps.
        dtype, shape: As the author declared them, [batch, ...]; None in manifests of before they were kept.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    width: int
    timewise: bool
    dtype: str | None = None
    shape: tuple[int | None, ...] | None = None

    def spec(self, whole: TensorSpec) -> TensorSpec:
        """Say what the author declared, or as near as can be told from the tensor that it is a part of."""
        if self.dtype is not None and self.shape is not None:
            return TensorSpec(self.name, self.dtype, self.shape)
        timesteps = (whole.shape[1],) if self.timewise else ()
        return TensorSpec(self.name, whole.dtype, (None, *timesteps, self.width))


class Manifest(BaseModel):
    """What the exporter says of a version.

    Attributes:
        fingerprint: Of the SavedModel that everything beside this manifest was derived from.
        states: Every state of a stepwise model in the order in which they stand side by side in one row; empty for a
            whole model, which cannot be cut in time.
        mask_value: What all features of a timestep are, or the token, that the model masks and that can be left out
            before it runs: no state changes, and its answer is that of the timestep before. None where it has none.
        not_stepwise_because: Why the model is whole; empty for a stepwise one.
        cell_graph: Whether an ONNX cell graph stands beside this manifest.
        cell_graph_sha256: Of that file, in hexadecimal; empty in manifests of before it was kept.
        not_lowered_because: Why there is no cell graph; empty where there is one.
        min_timesteps: The shortest sequence that the model can answer.
        vocabulary: For a model of tokens, how many there are: 0 to this, exclusive. None where that is not known.
        inputs, outputs: What the model's author named, in the order in which they stand side by side in the
            signature's one input and in its outputs. An input without timesteps is repeated at every timestep.
        computed_in: The type that the author's model computes in; float32 is what is served.
        keras_version: The Keras that exported it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1] = 1
    fingerprint: str
    states: tuple[State, ...]
    mask_value: float | None = None
    not_stepwise_because: str = ""
    cell_graph: bool
    cell_graph_sha256: str = ""
    not_lowered_because: str = ""
    min_timesteps: int = 1
    vocabulary: int | None = None
    inputs: tuple[Part, ...] = ()
    outputs: tuple[Part, ...] = ()
    computed_in: str = "float32"
    keras_version: str

    @property
    def state_width(self) -> int:
        """Floats of one row of state."""
        return sum(state.units for state in self.states)

    def complete(self, signature: Signature) -> Signature:
        """Add to a SavedModel's signature what only its manifest knows."""
        return replace(
            signature,
            min_timesteps=self.min_timesteps,
            vocabulary=self.vocabulary,
            mask_value=self.mask_value,
            input_layout=self._takes(signature) if self.inputs else None,
            output_layout=_side_by_side(self.outputs, signature.sequence or signature.last_step)
            if self.outputs
            else None,
        )

    def _takes(self, signature: Signature) -> Layout:
        if not signature.features:
            part = self.inputs[0]
            declared = part.spec(signature.inputs) if part.shape else replace(signature.inputs, name=part.name)
            return tokens_layout(declared)
        return _side_by_side(self.inputs, signature.inputs)


def _side_by_side(parts: tuple[Part, ...], whole: TensorSpec) -> Layout:
    columns, begin = [], 0
    for part in parts:
        timewise = part.timewise and len(whole.shape) > 2
        columns.append(Column(part.spec(whole), begin, begin + part.width, timewise))
        begin += part.width
    return Layout(tuple(columns), "float32", whole.shape[1] if len(whole.shape) > 2 else 1)


def read_manifest(version: Path) -> Manifest | None:
    """Read the manifest of the folder `version`; None where a foreign exporter left none.

    Raises:
        ModelRejected: There is a manifest, and it is damaged or of a later format.
    """
    path = version / FOLDER / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise ModelRejected(f"{path}: is not a manifest of format 1: {error}") from error


def fingerprint(version: Path) -> str:
    """Identify a SavedModel: SHA-256 over its graph and its variables, in hexadecimal."""
    digest = hashlib.sha256()
    for path in [version / "saved_model.pb", *sorted((version / "variables").glob("*"))]:
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
