"""The layers of a SavedModel that Keras 2 or tf_keras wrote by `model.save`: its keras_metadata.pb names them all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
from google.protobuf.message import DecodeError

from carousel_models.export.keras_2 import rebuild
from carousel_models.refusals import ExportRefused

METADATA = "keras_metadata.pb"


def from_metadata(folder: Path, loaded: Any, custom: Mapping[str, Any], *, unsafe_lambda: bool) -> keras.Model:
    """Build the model that `folder` says it is, with the variables of the SavedModel `loaded` from there.

    Raises:
        ExportRefused: The file cannot be read, or the variables are not those of its layers.
    """
    from tensorflow.python.keras.protobuf import saved_metadata_pb2  # noqa: PLC0415 - no part of `tensorflow` itself

    try:
        nodes = saved_metadata_pb2.SavedMetadata.FromString((folder / METADATA).read_bytes()).nodes
        root = next(json.loads(node.metadata, object_hook=_lists) for node in nodes if node.node_path == "root")
        config, version = root["model_config"], root.get("keras_version", "2.4")
    except (OSError, DecodeError, StopIteration, ValueError, KeyError) as error:
        raise ExportRefused(f"{folder / METADATA}: does not say which layers the model has: {error!r}") from error
    model = rebuild(config, version, custom, unsafe_lambda=unsafe_lambda)
    given = [variable for variable in loaded.variables if "seed_generator" not in variable.name]
    taken = [variable for variable in model.weights if "seed_generator" not in variable.path]
    shapes = [[tuple(variable.shape) for variable in side] for side in (given, taken)]
    if shapes[0] != shapes[1]:
        raise ExportRefused(f"{folder}: holds variables of the shapes {shapes[0]}, its layers need {shapes[1]}")
    for variable, weight in zip(taken, given, strict=True):
        variable.assign(weight.numpy())
    return model


def _lists(entry: dict[str, Any]) -> Any:
    return entry["items"] if entry.get("class_name") == "__tuple__" else entry
