"""A Keras model read from its file, with the meaning it had when it was saved."""

import logging
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import keras

from carousel_models.export.custom_objects import refuse_missing_code
from carousel_models.export.keras_2 import convert_cudnn, cudnn_layers, rebuild
from carousel_models.export.saved_file import ARCHIVED_WEIGHTS, H5_WEIGHTS, SavedFile, open_saved
from carousel_models.lowering.activations import hard_sigmoid_of_keras_2
from carousel_models.refusals import ExportRefused

_log = logging.getLogger(__name__)
_MAX_REASON = 300
"""Characters that are told of an error of Keras, which may print a whole config."""


def read_model(
    path: Path, custom_objects: Mapping[str, Any] | None = None, *, unsafe_lambda: bool = False
) -> keras.Model:
    """Read a .keras or .h5 file of any Keras from 2.0 on.

    What a layer meant when it was saved, it means here: `hard_sigmoid` is 0.2 x + 0.5 in a file of Keras 2, and
    x / 6 + 0.5 in one of Keras 3.

    Args:
        path: The file; what it is shows in it, not in its suffix.
        custom_objects: Layers and functions that are not Keras' own, by name.
        unsafe_lambda: Whether the code that Lambda layers keep in the file may be run.

    Raises:
        ExportRefused: The file is missing, of another kind, or Keras cannot read it.
    """
    saved = open_saved(path)
    custom = dict(custom_objects or {})
    try:
        with tempfile.TemporaryDirectory() as folder:
            if saved.of_keras_2:
                model = rebuild(saved.config, saved.version, custom, unsafe_lambda=unsafe_lambda)
                model.load_weights(_weights(saved, Path(folder)))
                finish_normalization(model)
            else:
                refuse_missing_code(saved.config, custom, unsafe_lambda=unsafe_lambda)
                # Keras goes by the suffix, whatever is in the file.
                copy = Path(folder) / ("model.keras" if saved.archive else "model.h5")
                copy.symlink_to(path.absolute())
                model = keras.saving.load_model(copy, custom, compile=False, safe_mode=not unsafe_lambda)
    except ExportRefused as refusal:
        raise ExportRefused(f"{path}: {refusal}") from refusal
    except Exception as error:  # Keras raises whatever its layers raise
        raise ExportRefused(
            f"{path}: Keras {keras.__version__} cannot read the model, which Keras {saved.version} saved: "
            f"{_reason(error)}"
        ) from error
    if saved.of_keras_2:
        tell_hard_sigmoid(model, path, saved.version)
    return model


def parts_of(part: Any) -> Iterator[Any]:
    """Walk a layer and every layer and cell inside it."""
    yield part
    inside = [getattr(part, name, None) for name in ("layer", "forward_layer", "backward_layer", "cell")]
    for inner in [*inside, *getattr(part, "layers", ()), *getattr(part, "cells", ())]:
        if isinstance(inner, keras.layers.Layer):
            yield from parts_of(inner)


def finish_normalization(model: keras.Model) -> None:
    """Let each Normalization compute with the mean and variance that were loaded into its weights."""
    for part in parts_of(model):
        if isinstance(part, keras.layers.Normalization) and part.built:
            part.finalize_state()


def tell_hard_sigmoid(model: keras.Model, path: Path, version: str) -> None:
    """Log which layers keep the older hard_sigmoid."""
    # An LSTM shows its cell's activations, so ask what the part itself holds.
    kept = [part.name for part in parts_of(model) if hard_sigmoid_of_keras_2 in _activations(part)]
    if kept:
        names = ", ".join(kept)
        _log.warning("%s: saved by Keras %s: hard_sigmoid of %s keeps its meaning 0.2 x + 0.5", path, version, names)


def _activations(part: Any) -> list[Any]:
    return [vars(part).get(name) for name in ("activation", "recurrent_activation")]


def _weights(saved: SavedFile, folder: Path) -> Path:
    """Give the weights as a file that Keras 3 loads."""
    if saved.archive:
        with zipfile.ZipFile(saved.path) as archive:
            return Path(archive.extract(ARCHIVED_WEIGHTS, folder))
    copy = folder / "weights.h5"
    shutil.copyfile(saved.path, copy)
    with h5py.File(copy, "r+") as file:
        convert_cudnn(file[H5_WEIGHTS], cudnn_layers(saved.config))
    return copy


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split("Full object config")[0].split())
    return text if len(text) <= _MAX_REASON else f"{text[:_MAX_REASON]} ..."
