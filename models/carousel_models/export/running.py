"""A Keras model run on one sequence, as what it is when it is served: without training, without states of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from carousel_models.export.keras_file import parts_of


def run(model: keras.Model, sequences: NDArray[Any]) -> NDArray[Any]:
    """Answer sequences of one length, [samples, timesteps, ...], with the model's only output.

    A model of a fixed batch gets the first of them as often as it needs, and its answers are as many.

    Raises:
        Exception: Whatever Keras and its layers raise.
    """
    (taken,) = model.inputs
    batch = sequences if taken.shape[0] is None else np.repeat(sequences[:1], taken.shape[0], axis=0)
    with _stateless(model):
        answer = first_of(model(batch.astype(taken.dtype), training=False))
    own: NDArray[Any] = keras.ops.convert_to_numpy(answer)
    return own


def first_of(answer: Any) -> Any:
    """Take a model's only answer out of the list or dictionary that the model may give it in."""
    (only,) = keras.tree.flatten(answer)
    return only


@contextmanager
def _stateless(model: keras.Model) -> Iterator[None]:
    stateful = [part for part in parts_of(model) if getattr(part, "stateful", False)]
    for part in stateful:
        part.stateful = False
    try:
        yield
    finally:
        for part in stateful:
            part.stateful = True
