"""A model as a SavedModel with the signatures that Carousel serves."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from carousel.artifact import ADVANCE, INPUTS, LAST_STEP, SEQUENCE, SERVING
from carousel_models.lowering.stack import Stack


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
        """Run `serving_default` on inputs [batch, timesteps, input_dim]."""
        return self.signatures[SERVING](inputs)

    def write(self, folder: Path) -> None:
        """Write the SavedModel into `folder`."""
        module = tf.Module()
        module.layers = self.layers
        logger = tf.get_logger()
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            tf.saved_model.save(module, str(folder), signatures=self.signatures)
        finally:
            logger.setLevel(level)


def served_in_chunks(stack: Stack) -> Served:
    """Give a stack its signatures `serving_default` and `advance`, for any batch and any timesteps."""
    inputs = tf.TensorSpec((None, None, stack.input_dim), tf.float32, INPUTS)
    states = [tf.TensorSpec((None, state.units), tf.float32, state.name) for state in stack.states]

    def serve(inputs: Any) -> dict[str, Any]:
        zeros = [tf.zeros((tf.shape(inputs)[0], state.units)) for state in stack.states]
        sequence, _ = stack.advance(inputs, zeros)
        return {SEQUENCE: sequence, LAST_STEP: sequence[:, -1]}

    def advance(inputs: Any, *before: Any) -> dict[str, Any]:
        outputs, after = stack.advance(inputs, list(before))
        return {"outputs": outputs, **{state.name: value for state, value in zip(stack.states, after, strict=True)}}

    return Served(
        stack.layers,
        {
            SERVING: tf.function(serve, input_signature=[inputs]),
            ADVANCE: tf.function(advance, input_signature=[inputs, *states]),
        },
    )


def served_whole(model: keras.Model) -> Served:
    """Give a model that rides whole its signature `serving_default`, for any batch and the model's own timesteps."""
    _, *shape = model.inputs[0].shape

    def serve(inputs: Any) -> dict[str, Any]:
        answer = model(inputs, training=False)
        return {LAST_STEP: answer} if len(answer.shape) == 2 else {SEQUENCE: answer, LAST_STEP: answer[:, -1]}

    inputs = tf.TensorSpec((None, *shape), tf.float32, INPUTS)
    return Served((model,), {SERVING: tf.function(serve, input_signature=[inputs])})
