"""A model computed in float64: the judge where float32 drifts, as over many timesteps of a linear recurrent layer."""

from typing import Any

import keras
import numpy as np
from keras import layers

from carousel.artifact import LAST_STEP, SEQUENCE, State
from carousel.tensors import Floats, Samples
from carousel_models.export.keras_file import parts_of
from carousel_models.export.running import run
from carousel_models.lowering import KerasSteps


class Exact:
    """A copy of a model in float64, which answers as the exported graph does."""

    def __init__(self, model: keras.Model, states: tuple[State, ...]) -> None:
        """Copy `model`, which carries `states` if it is stepwise.

        Raises:
            ValueError, TypeError: Keras cannot copy it so.
        """
        copy = type(model).from_config(_in_float64(model.get_config()))
        copy.set_weights(
            [w.astype(np.float64) if np.issubdtype(w.dtype, np.floating) else w for w in model.get_weights()]
        )
        for part in parts_of(copy):
            if isinstance(part, layers.Normalization):
                part.finalize_state()
        self._model = copy
        self._states = states
        self._steps = KerasSteps(copy, states) if states else None

    def answer(self, sequence: Samples) -> dict[str, Floats]:
        """Answer one sequence, [timesteps, ...]; rounded to float32."""
        inputs = sequence[None].astype(np.float64 if sequence.dtype == np.float32 else sequence.dtype)
        if self._steps is not None:
            zeros = [np.zeros((1, state.units)) for state in self._states]
            outputs, _ = self._steps.advance(keras.ops.convert_to_tensor(inputs), zeros)
        else:
            outputs = run(self._model, inputs)
        with np.errstate(over="ignore"):
            answer = keras.ops.convert_to_numpy(outputs)[0].astype(np.float32)
        return {LAST_STEP: answer} if answer.ndim == 1 else {SEQUENCE: answer, LAST_STEP: answer[-1]}


def _in_float64(config: Any) -> Any:
    if isinstance(config, list | tuple):
        return [_in_float64(each) for each in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy":
        return config | {"config": {"name": "float64"}}
    return {k: "float64" if k == "dtype" and v == "float32" else _in_float64(v) for k, v in config.items()}
