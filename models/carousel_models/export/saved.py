"""A model as a SavedModel with the signatures that Carousel serves."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from carousel.artifact import ADVANCE, INPUTS, LAST_STEP, SEQUENCE, SERVING, State
from carousel_models.export.running import resting
from carousel_models.lowering import KerasSteps, input_dtype, keras_whole
from carousel_models.refusals import ExportRefused


@dataclass(frozen=True)
class Served:
    """What is written.

    Attributes:
        layers: Those whose variables the signatures read.
        signatures: Traced functions by name.
    """

    layers: tuple[keras.layers.Layer, ...]
    signatures: dict[str, Callable[..., dict[str, Any]]]

    def answer(self, inputs: Any) -> dict[str, Any]:
        """Run `serving_default` on inputs [batch, timesteps, ...]."""
        return self.signatures[SERVING](inputs)

    def write(self, folder: Path) -> None:
        """Write the SavedModel into `folder`. Raises ExportRefused where the disk does not take it."""
        module = tf.Module()
        # Its variables, not the layers: those that Keras makes of a model's own at saving draw random numbers.
        module.kept = [variable.value for layer in self.layers for variable in layer.variables]
        logger = tf.get_logger()
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            tf.saved_model.save(module, str(folder), signatures=self.signatures)
        except tf.errors.OpError as error:  # TensorFlow's own word for a disk that is full
            raise ExportRefused(f"the SavedModel cannot be written: {error.message}") from error
        finally:
            logger.setLevel(level)


def served_stepwise(model: keras.Model, states: tuple[State, ...], timesteps: int | None) -> Served:
    """Give a stepwise model its signatures: `serving_default` of so many timesteps, `advance` of any."""
    steps = KerasSteps(model, states)
    inputs, any_length = _spec(model, timesteps), _spec(model, None)
    specs = [tf.TensorSpec((None, state.units), tf.float32, state.name) for state in states]

    def serve(inputs: Any) -> dict[str, Any]:
        zeros = [tf.zeros((tf.shape(inputs)[0], state.units)) for state in states]
        sequence, _ = steps.advance(inputs, zeros)
        return {SEQUENCE: sequence, LAST_STEP: sequence[:, -1]}

    def advance(inputs: Any, *before: Any) -> dict[str, Any]:
        outputs, after = steps.advance(inputs, list(before))
        return {"outputs": outputs, **{state.name: value for state, value in zip(states, after, strict=True)}}

    return Served(
        tuple(steps.layers),
        {
            SERVING: tf.function(serve, input_signature=[inputs]),
            ADVANCE: tf.function(advance, input_signature=[any_length, *specs]),
        },
    )


def served_whole(model: keras.Model) -> Served:
    """Give a whole model its signature `serving_default`, for any batch and the model's own timesteps."""
    taken = model.inputs[0]

    def serve(inputs: Any) -> dict[str, Any]:
        answer = keras_whole(model, tf.cast(inputs, taken.dtype))
        return {LAST_STEP: answer} if len(answer.shape) == 2 else {SEQUENCE: answer, LAST_STEP: answer[:, -1]}

    with resting(model):
        traced = tf.function(serve, input_signature=[_spec(model, taken.shape[1])]).get_concrete_function()
    return Served((model,), {SERVING: traced})


def _spec(model: keras.Model, timesteps: int | None) -> Any:
    features = model.inputs[0].shape[2:]
    return tf.TensorSpec((None, timesteps, *features), input_dtype(model), INPUTS)
