"""A Keras model read from its file, with the meaning it had when it was saved."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
from keras import activations

from carousel_models.export.keras_2 import keras_version, readable
from carousel_models.lowering.activations import hard_sigmoid_of_keras_2
from carousel_models.refusals import ExportRefused

_log = logging.getLogger(__name__)


def read_model(path: Path) -> keras.Model:
    """Read a .keras or .h5 file.

    `hard_sigmoid` was 0.2 x + 0.5 in Keras 1 and 2 and is x / 6 + 0.5 since Keras 3: in a file of an older Keras,
    layers that name it get the older one.

    Raises:
        ExportRefused: The file is missing, of another kind, or Keras cannot read it.
    """
    version = keras_version(path)
    old = int(version.split(".")[0]) < 3
    try:
        if old:
            with readable(path) as copy:
                model = keras.saving.load_model(copy, compile=False)
        else:
            model = keras.saving.load_model(path, compile=False)
    except ExportRefused:
        raise
    except Exception as error:  # Keras raises whatever its layers raise
        raise ExportRefused(f"{path}: Keras {keras.__version__} cannot read the model: {error}") from error
    if old:
        _restore_hard_sigmoid(model, path, version)
    return model


def parts_of(part: Any) -> Iterator[Any]:
    """Walk a layer and every layer and cell inside it."""
    yield part
    inside = [getattr(part, name, None) for name in ("layer", "forward_layer", "backward_layer", "cell")]
    for inner in [*inside, *getattr(part, "layers", ()), *getattr(part, "cells", ())]:
        if isinstance(inner, keras.layers.Layer):
            yield from parts_of(inner)


def _restore_hard_sigmoid(model: keras.Model, path: Path, version: str) -> None:
    changed = []
    for part in parts_of(model):
        for name in ("activation", "recurrent_activation"):
            # An LSTM shows its cell's activations, so ask what the part itself holds.
            if vars(part).get(name) is activations.hard_sigmoid:
                setattr(part, name, hard_sigmoid_of_keras_2)
                changed.append(part.name)
    if changed:
        names = ", ".join(changed)
        _log.warning("%s: saved by Keras %s: hard_sigmoid of %s keeps its meaning 0.2 x + 0.5", path, version, names)
