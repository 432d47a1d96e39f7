"""A Keras model computed in another type than its own: float64 to judge it by, float32 to serve it in."""

from typing import Any

import keras
import numpy as np
from keras import layers

from carousel_models.export.keras_file import parts_of

_FLOATS = {"float64", "float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"}


def computed_in(model: keras.Model, dtype: str) -> keras.Model:
    """Copy a model, with its weights, so that all its layers compute in `dtype`.

    Raises:
        Exception: Whatever Keras raises where a layer cannot be made from its config.
    """
    copy = type(model).from_config(_converted(model.get_config(), dtype))
    copy.set_weights([weight.astype(dtype) if _is_float(weight) else weight for weight in model.get_weights()])
    for part in parts_of(copy):
        if isinstance(part, layers.Normalization):
            part.finalize_state()
    return copy


def other_floats(model: keras.Model) -> set[str]:
    """Name the types other than float32 that the model's layers compute in."""
    return {part.compute_dtype for part in parts_of(model)} & (_FLOATS - {"float32"})


def _is_float(weight: np.ndarray) -> bool:
    # bfloat16 is no floating type to numpy.
    return weight.dtype.kind == "f" or weight.dtype.name == "bfloat16"


def _converted(config: Any, dtype: str) -> Any:
    if isinstance(config, list | tuple):
        return [_converted(each, dtype) for each in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy" and config["config"]["name"] in _FLOATS:
        return config | {"config": {"name": dtype}}
    return {
        key: dtype if key == "dtype" and isinstance(value, str) and value in _FLOATS else _converted(value, dtype)
        for key, value in config.items()
    }
