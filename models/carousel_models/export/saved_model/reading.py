"""From the folder of a SavedModel to a Keras model that answers as it does."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from carousel.artifact import TOLERANCE, Signature, disagreement, read_signature
from carousel.errors import ModelRejected
from carousel_models.export.running import resting
from carousel_models.export.saved_model.graph import SavedGraph
from carousel_models.export.saved_model.matching import Matcher
from carousel_models.export.saved_model.metadata import METADATA, from_metadata
from carousel_models.refusals import ExportRefused

_LENGTHS = (1, 2, 3, 7, 12, 20, 33)
_MASKED = 0.3  # of the timesteps, where there is a Masking layer
_MAX_REASON = 300
_SERVED_ALL_THE_SAME = "serve the folder as it is, on TensorFlow: copy it to REPOSITORY/NAME/VERSION"


def read_saved_model(
    folder: Path, custom: Mapping[str, Any], *, unsafe_lambda: bool
) -> tuple[keras.Model, tuple[str, ...], tuple[str, ...]]:
    """Read the SavedModel in `folder` as a Keras model, and prove that it answers as the SavedModel itself does.

    Returns:
        The model, and the names of its inputs and of its outputs as the signature has them, in the model's order.

    Raises:
        ExportRefused: Its layers cannot be told, or the model that they make does not answer as the SavedModel.
    """
    import tensorflow as tf  # noqa: PLC0415 - takes seconds, and most models are files

    try:
        signature = read_signature(folder)
        loaded = tf.saved_model.load(str(folder))
    except (ModelRejected, OSError, ValueError) as error:
        raise ExportRefused(f"{folder}: {error}") from error
    if not signature.foreign:
        raise ExportRefused(f"{folder}: is a version that Carousel exported: copy the folder to where it is served")
    function = loaded.signatures[signature.function]
    try:
        if (folder / METADATA).exists():
            model = from_metadata(folder, loaded, custom, unsafe_lambda=unsafe_lambda)
            names = _names(model, signature)
        else:
            model, names = _matched(function, loaded, signature)
        _prove(model, names, function, signature)
    except ExportRefused as refusal:
        raise ExportRefused(f"{folder}: {refusal}; {_SERVED_ALL_THE_SAME}") from refusal
    except Exception as error:  # Keras and TensorFlow raise whatever their layers raise
        raise ExportRefused(
            f"{folder}: Keras cannot build its layers again: {str(error)[:_MAX_REASON]}; {_SERVED_ALL_THE_SAME}"
        ) from error
    return model, *names


def _matched(function: Any, loaded: Any, signature: Signature) -> tuple[keras.Model, Any]:
    inputs = {
        spec.name: keras.Input(batch_shape=spec.shape, dtype=spec.dtype, name=spec.name)
        for spec in signature.takes.specs
    }
    placeholders = {tensor.op.name: tensor.op.name for tensor in function.graph.inputs}
    given = {name: inputs[name] for name in placeholders if name in inputs}
    graph = SavedGraph(function)
    matcher = Matcher(graph, loaded, given)
    outputs = {name: matcher.match(graph.outputs[name]) for name in signature.gives.names}
    return keras.Model(list(inputs.values()), list(outputs.values())), (tuple(inputs), tuple(outputs))


def _names(model: keras.Model, signature: Signature) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Find the signature's name of each input and output of a model that kept its own."""
    sides = []
    for own, declared in (
        ([tensor.name for tensor in model.inputs], signature.takes.names),
        (list(getattr(model, "output_names", [model.layers[-1].name])), signature.gives.names),
    ):
        if len(declared) > 1 and set(own) != set(declared):
            raise ExportRefused(f"its layers name {own} what its signature names {list(declared)}")
        sides.append(tuple(own) if len(declared) > 1 else declared)
    return sides[0], sides[1]


def _prove(model: keras.Model, names: Any, function: Any, signature: Signature) -> None:
    """Refuse a model that does not answer as the SavedModel does, at any length that this one answers."""
    rng = np.random.default_rng(3)
    vocabulary = min(
        (layer.input_dim for layer in model.layers if isinstance(layer, keras.layers.Embedding)), default=9
    )
    masked = next((layer.mask_value for layer in model.layers if isinstance(layer, keras.layers.Masking)), None)
    proven = 0
    for length in (signature.timesteps,) if signature.timesteps else _LENGTHS:
        tensors = {}
        for spec in signature.takes.specs:
            defaults = itertools.chain((2, length), itertools.repeat(1))
            shape = [default if dim is None else dim for dim, default in zip(spec.shape, defaults, strict=False)]
            whole = spec.dtype.startswith("int")
            drawn = rng.integers(0, vocabulary, shape) if whole else rng.standard_normal(shape)
            if masked is not None and not whole and len(shape) > 2:
                drawn[rng.random(shape[:2]) < _MASKED] = masked
            tensors[spec.name] = drawn.astype(spec.dtype)
        try:
            own = function(**{name: keras.ops.convert_to_tensor(tensor) for name, tensor in tensors.items()})
        except Exception:  # noqa: BLE001, S112 - too short for it; one length at least must do
            continue
        ordered = [tensors[name] for name in names[0]]
        with resting(model):
            answers = keras.tree.flatten(model(ordered if len(ordered) > 1 else ordered[0], training=False))
        for name, answer in zip(names[1], answers, strict=True):
            fault = disagreement(keras.ops.convert_to_numpy(answer), own[name].numpy(), TOLERANCE)
            if fault:
                raise ExportRefused(
                    f"the layers that were found do not answer as the SavedModel does: {name}, of {length} timesteps, "
                    f"{fault}"
                )
        proven += 1
    if not proven:
        raise ExportRefused(f"it answers no sequence of {_LENGTHS[0]} to {_LENGTHS[-1]} timesteps")
