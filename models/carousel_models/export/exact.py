"""A model computed in float64: the judge where float32 drifts, as over many timesteps of a linear recurrent layer."""

import keras
import numpy as np

from carousel.artifact import LAST_STEP, SEQUENCE, State
from carousel.tensors import Floats, Samples
from carousel_models.export.dtypes import computed_in
from carousel_models.export.running import run
from carousel_models.lowering import KerasSteps


class Exact:
    """A copy of a model in float64, which answers as the exported graph does."""

    def __init__(self, model: keras.Model, states: tuple[State, ...]) -> None:
        """Copy `model`, which carries `states` if it is stepwise.

        Raises:
            Exception: Whatever Keras raises where it cannot copy it so.
        """
        self._model = computed_in(model, "float64")
        self._states = states
        self._steps = KerasSteps(self._model, states) if states else None

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
