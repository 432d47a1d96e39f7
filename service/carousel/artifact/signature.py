"""What a model takes and gives, read from its own saved_model.pb without TensorFlow."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from carousel.artifact.layout import Column, Layout, layout_of, tokens_layout
from carousel.errors import ModelRejected, Violation, shortened
from carousel.stubs.savedmodel.saved_model_pb2 import SavedModel, SignatureDef, TensorInfo
from carousel.tensors import Floats, Samples, TensorSpec

SERVING = "serving_default"
ADVANCE = "advance"
INPUTS, SEQUENCE, LAST_STEP = "inputs", "sequence", "last_step"

FOLDER, MANIFEST = "assets.extra", "manifest.json"
"""Where Carousel keeps what it knows of a SavedModel that it exported."""

_DTYPES = {1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "string", 9: "int64"}
_DTYPES |= {10: "bool", 14: "bfloat16", 19: "float16", 21: "variant"}

_NEVER = {"__saved_model_init_op", "__saved_model_train_op", "train_op"}
"""Signatures that no caller calls."""


@dataclass(frozen=True)
class Signature:
    """What a served model takes and gives.

    An engine, and everything between it and the protocols, knows one input and its outputs. What the model's author
    named is in `takes` and `gives`: specs in the author's order, and how to come from the one to the other.

        samples = signature.takes.pack_batch({"prices": prices, "store": store}, faults)    # [batch, ...] each
        wanted = asked or signature.gives.names             # any of signature.output_names
        every_step = signature.timewise(wanted)             # as `return_sequences` of the request
        answer = signature.by_name(sequence.output, wanted) # of each sequence, without the batch

    Attributes:
        inputs: The one input: float32 [batch, timesteps, input_dim], or tokens, int32 or int64 [batch, timesteps].
        sequence: float32 [batch, timesteps, units]; None where the model gives no sequence. A whole model may give
            another number of timesteps than it takes.
        last_step: float32 [batch, units].
        min_timesteps: The shortest sequence that the model can answer.
        vocabulary: How many tokens there are, 0 to this, exclusive; None where that is not known, and for vectors.
        mask_value: What all features of a timestep are, or the token, that can be left out before the model runs, as
            `Manifest.mask_value` says; None where no timestep can.
        input_layout, output_layout: What `takes` and `gives` are; None where the author's names are not known.
        function: The SavedModel's own name of the signature that is served.
        foreign: Whether the SavedModel was not exported by Carousel, so that `function` has the author's names.
    """

    inputs: TensorSpec
    sequence: TensorSpec | None
    last_step: TensorSpec
    min_timesteps: int = 1
    vocabulary: int | None = None
    mask_value: float | None = None
    input_layout: Layout | None = None
    output_layout: Layout | None = None
    function: str = SERVING
    foreign: bool = False

    # Every request is held against these: they are worked out once.
    @cached_property
    def takes(self) -> Layout:
        """The author's inputs; Carousel's own name for its one input where they are not known."""
        if self.input_layout is not None:
            return self.input_layout
        if not self.features:
            return tokens_layout(self.inputs)
        return Layout((Column(self.inputs, 0, self.input_dim, timewise=True),), "float32", self.timesteps)

    @cached_property
    def gives(self) -> Layout:
        """The author's outputs; the last step where they are not known."""
        if self.output_layout is not None:
            return self.output_layout
        return Layout((Column(self.last_step, 0, self.units, timewise=False),))

    @cached_property
    def output_names(self) -> tuple[str, ...]:
        """The author's outputs, and what Carousel adds where the author has none of that name."""
        own = self.gives.names
        return own + tuple(spec.name for spec in self.outputs if spec.name not in own)

    def output_faults(self, names: Iterable[str], field: str) -> list[Violation]:
        """Name every output that is wanted and not there; `field` is what the caller's protocol calls the list."""
        known = self.output_names
        return [
            Violation(f"{field}[{i}]", f"is {shortened(name)!r}, expected one of {', '.join(known)}")
            for i, name in enumerate(names)
            if name not in known
        ]

    @cached_property
    def served_inputs(self) -> tuple[TensorSpec, ...]:
        """What the SavedModel's own signature takes: Carousel's one input, or what somebody else declared."""
        return self.takes.specs if self.foreign else (self.inputs,)

    @cached_property
    def served_outputs(self) -> tuple[TensorSpec, ...]:
        """What the SavedModel's own signature gives: what is answered to who names no output."""
        return self.gives.specs if self.foreign else self.outputs

    def timewise(self, names: Iterable[str]) -> bool:
        """Whether any of these outputs needs every timestep's answer."""
        chosen = set(names)
        return self.gives.timewise(chosen) or (SEQUENCE in chosen and SEQUENCE not in self.gives.names)

    def by_name(self, output: Floats, names: Iterable[str]) -> dict[str, Samples]:
        """Take one sequence's answer apart into the outputs of these names, each as declared, without the batch.

        Args:
            output: [timesteps, units], or [units], the last step, where no output of `names` needs more.
            names: Any of `output_names`.
        """
        chosen = set(names)
        apart = {} if chosen.isdisjoint(self.gives.names) else self.gives.split(output, chosen)
        if SEQUENCE in chosen - apart.keys():
            apart[SEQUENCE] = output
        if LAST_STEP in chosen - apart.keys():
            apart[LAST_STEP] = output[-1] if output.ndim > 1 else output
        return apart

    def last_step_of(self, output: Floats) -> Floats:
        """Take what is answered to who asks for the last step: the author's own `last_step`, where there is one."""
        column = self._own(LAST_STEP, timewise=False)
        last: Floats = output[-1] if output.ndim > 1 else output
        return last if column is None else last[column.begin : column.end]

    def sequence_of(self, output: Floats) -> Floats:
        """Take what is answered to who asks for every timestep: the author's own `sequence`, where there is one."""
        column = self._own(SEQUENCE, timewise=True)
        return output if column is None else output[:, column.begin : column.end]

    def _own(self, name: str, *, timewise: bool) -> Column | None:
        columns = self.gives.columns if len(self.gives.columns) > 1 else ()
        return next((c for c in columns if c.spec.name == name and c.timewise == timewise), None)

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

    @cached_property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The outputs that the model has."""
        return (self.last_step,) if self.sequence is None else (self.sequence, self.last_step)


def read_signature(version: Path, function: str = "") -> Signature:
    """Read the signature of the SavedModel in the folder `version`.

    Without a manifest beside it, it was not exported by Carousel: it is served from its own signature, by its own
    names, whatever these are. It may have several, and `function` names another than the one that is served.

    Raises:
        ModelRejected: There is no readable SavedModel, or its signature is not one that Carousel serves.
    """
    definitions = _definitions(version / "saved_model.pb")
    if not (version / FOLDER / MANIFEST).exists():
        return _foreign(version, definitions, function)
    if SERVING not in definitions:
        raise ModelRejected(f"{version}: the SavedModel has no signature {SERVING!r}, only {sorted(definitions)}")
    inputs = _specs(definitions[SERVING].inputs)
    outputs = _specs(definitions[SERVING].outputs)
    if set(inputs) != {INPUTS} or LAST_STEP not in outputs:
        raise ModelRejected(
            f"{version}: has a manifest of Carousel's, so its signature {SERVING!r} must take {INPUTS!r} and give "
            f"{LAST_STEP!r}; it takes {sorted(inputs)} and gives {sorted(outputs)}. Remove assets.extra/ to serve the "
            "SavedModel by its own signature, or export the model again with `carousel export`."
        )
    signature = Signature(inputs[INPUTS], outputs.get(SEQUENCE), outputs[LAST_STEP])
    _refuse_unservable(version, signature)
    return signature


def other_functions(version: Path, signature: Signature) -> list[str]:
    """Name the further signatures of a SavedModel that others made, beside `signature`, which is served."""
    if not signature.foreign:
        return []
    return sorted(_definitions(version / "saved_model.pb").keys() - _NEVER - {signature.function})


def _foreign(version: Path, definitions: Mapping[str, SignatureDef], function: str) -> Signature:
    """Lay the inputs and outputs that somebody else declared side by side."""
    names = sorted(definitions.keys() - _NEVER)
    if SERVING not in names and len(names) != 1:
        raise ModelRejected(
            f"{version}: the SavedModel has the signatures {names}, and none is {SERVING!r}: save it again with that "
            "one, as tf.saved_model.save(..., signatures={'serving_default': ...})"
        )
    function = function or (SERVING if SERVING in names else names[0])
    sides = []
    for side, infos in (("takes", definitions[function].inputs), ("gives", definitions[function].outputs)):
        specs = sorted(_specs(infos).values(), key=lambda spec: _natural(spec.name))
        unranked = [name for name, info in infos.items() if info.tensor_shape.unknown_rank]
        try:
            if unranked:
                raise ValueError(f"{', '.join(unranked)}: the shape is not known at all")  # noqa: TRY301 - one message
            sides.append(layout_of(specs, taken=side == "takes"))
        except ValueError as error:
            raise ModelRejected(f"{version}: what its signature {function!r} {side} is not served: {error}") from error
    takes, gives = sides
    shape = (None, takes.timesteps) if takes.tokens else (None, takes.timesteps, takes.width)
    return Signature(
        TensorSpec(INPUTS, takes.dtype, shape),
        TensorSpec(SEQUENCE, "float32", (None, gives.timesteps, gives.width)) if gives.timewise() else None,
        TensorSpec(LAST_STEP, "float32", (None, gives.width)),
        input_layout=takes,
        output_layout=gives,
        function=function,
        foreign=True,
    )


def _natural(name: str) -> list[tuple[int, str]]:
    """Order names as their author counted them: input_2 before input_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


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
