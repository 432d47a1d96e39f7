"""One layer of Keras 2 as a layer of Keras 3."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from carousel_models.lowering.activations import hard_sigmoid_of_keras_2
from carousel_models.lowering.bidirectional import BidirectionalOfKeras2
from carousel_models.refusals import ExportRefused

Config = dict[str, Any]
Revive = Callable[[Config], Any]

_NEW_NAMES = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "UnifiedGRU": "GRU",
    "UnifiedLSTM": "LSTM",
    "CuDNNGRU": "GRU",
    "CuDNNLSTM": "LSTM",
    "ThresholdedReLU": "ReLU",
}
_OF_TRAINING = ("_initializer", "_regularizer", "_constraint")
"""What these arguments say matters in training alone."""
_GONE = (
    *("batch_input_shape", "input_shape", "input_length", "time_major", "implementation", "ragged"),
    *("num_constants", "shared_object_id", "query_shape", "key_shape", "value_shape", "softmax_robust_masking"),
)


def revived(entry: Config, *, version: str, custom: Mapping[str, Any], unsafe_lambda: bool, revive: Revive) -> Any:
    """Build a layer or a cell from its entry in a model's config.

    Args:
        entry: `class_name` and `config`.
        version: The Keras that wrote it.
        custom: Classes and functions that are not Keras' own, by name.
        unsafe_lambda: Whether a Lambda's code may be run.
        revive: Builds the layers inside a wrapper, the cells inside a layer.

    Raises:
        ExportRefused: Keras 3 has no such layer, or no such argument.
    """
    name, config = entry["class_name"].rpartition(">")[2], dict(entry["config"])
    where = f"layer {config.get('name')!r}"
    if name in custom:
        with keras.saving.custom_object_scope(dict(custom)):
            return custom[name].from_config({key: value for key, value in config.items() if key not in _GONE})
    if name == "Lambda":
        return _revived_lambda(config, custom, unsafe_lambda=unsafe_lambda)
    if config.get("time_major"):
        raise ExportRefused(f"{where} has time_major=True, which Keras 3 cannot do; build it batch-major")
    kind = getattr(keras.layers, _NEW_NAMES.get(name, name), None)
    if not isinstance(kind, type):
        raise ExportRefused(
            f"{where} is a {name}, which Keras {keras.__version__} has not: import its class with --import MODULE"
        )
    if name == "Bidirectional" and _masked_steps_repeat(version):
        kind = BidirectionalOfKeras2
    given = {key: _changed(key, value, custom, revive) for key, value in config.items() if _stays(key)}
    try:
        return kind(**_renamed(name, given))
    except (TypeError, ValueError) as error:
        raise ExportRefused(
            f"{where}: Keras {keras.__version__} cannot build a {name} of this file: {error}"
        ) from error


def _renamed(name: str, given: Config) -> Config:
    """Give the arguments their names, and their defaults their meaning, of Keras 3."""
    if name == "CuDNNLSTM":
        return given | {"recurrent_activation": "sigmoid"}
    if name == "CuDNNGRU":
        return given | {"recurrent_activation": "sigmoid", "reset_after": True}
    if name in {"GRU", "GRUCell"}:
        return {"reset_after": False} | given
    if name in {"LeakyReLU", "ThresholdedReLU"}:
        new = {"alpha": "negative_slope", "theta": "threshold"}
        return {new.get(key, key): value for key, value in given.items()}
    if name == "Embedding" and str(given.get("dtype")).startswith("int"):
        # Up to 2.0 this was the type of the tokens, not that of the vectors.
        return {key: value for key, value in given.items() if key != "dtype"}
    return given


def _stays(key: str) -> bool:
    return key not in _GONE and not key.endswith(_OF_TRAINING)


def _changed(key: str, value: Any, custom: Mapping[str, Any], revive: Revive) -> Any:
    if key.endswith("activation"):
        return _activation(value, custom, revive)
    if key in {"layer", "backward_layer", "cell"} and value is not None:
        return revive(value)
    if key == "cells" or (key == "cell" and isinstance(value, list)):
        return [revive(cell) for cell in value]
    if key == "dtype" and isinstance(value, dict):
        return value["config"].get("name")
    if key == "axis" and isinstance(value, list) and len(value) == 1:
        return value[0]
    return _plain(value)


def _plain(value: Any) -> Any:
    """Take a number or an array out of the wrapping that Keras 2 wrote numpy's in."""
    return value["value"] if isinstance(value, dict) and value.get("type") == "ndarray" else value


def _activation(value: Any, custom: Mapping[str, Any], revive: Revive) -> Any:
    if isinstance(value, dict) and value.get("class_name") not in {"function", None}:
        return revive(value)
    name = str(value["config"] if isinstance(value, dict) else value).rpartition(">")[2]
    if value is None or name in custom:
        return value and custom[name]
    if name == "hard_sigmoid":
        return hard_sigmoid_of_keras_2
    try:
        return keras.activations.get(name)
    except ValueError as error:
        raise ExportRefused(
            f"activation {name!r} is none of Keras {keras.__version__}: import it with --import MODULE"
        ) from error


def _revived_lambda(config: Config, custom: Mapping[str, Any], *, unsafe_lambda: bool) -> Any:
    if not unsafe_lambda:
        raise ExportRefused(
            f"layer {config['name']!r} is a Lambda, whose code lies in the file: if you trust the file, export with "
            "--unsafe-lambda, which runs that code on this machine"
        )
    function, arguments = config["function"], config.get("arguments") or {}
    if isinstance(function, str) and function in custom:
        return keras.layers.Lambda(custom[function], name=config["name"], arguments=arguments)
    if isinstance(function, list):
        code = dict(zip(("code", "defaults", "closure"), function, strict=True))
        function = {"class_name": "__lambda__", "config": code}
    try:
        return keras.layers.Lambda.from_config(
            {"name": config["name"], "function": function, "arguments": arguments}, safe_mode=False
        )
    except Exception as error:  # the code is of another Python, or names what is not there
        raise ExportRefused(
            f"layer {config['name']!r} is a Lambda that this Python cannot read ({error}): build the model anew with "
            "a layer of your own, and load its weights"
        ) from error


def _masked_steps_repeat(version: str) -> bool:
    number, _, suffix = version.partition("-")
    return suffix != "tf" and tuple(int(part) for part in number.split(".")[:2]) < (2, 4)
