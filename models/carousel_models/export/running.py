"""A Keras model run on one sequence, as what it is when it is served: without training, without states of its own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from carousel_models.export.keras_file import parts_of

_RECURRENT = (layers.RNN, layers.Bidirectional, layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell)


def run(model: keras.Model, sequences: NDArray[Any]) -> NDArray[Any]:
    """Answer sequences of one length, [samples, timesteps, ...], with the model's only output.

    A model of a fixed batch gets the first of them as often as it needs, and its answers are as many.

    Raises:
        Exception: Whatever Keras and its layers raise.
    """
    (taken,) = model.inputs
    batch = sequences if taken.shape[0] is None else np.repeat(sequences[:1], taken.shape[0], axis=0)
    with resting(model):
        answer = first_of(model(batch.astype(taken.dtype), training=False))
    own: NDArray[Any] = keras.ops.convert_to_numpy(answer)
    return own


def first_of(answer: Any) -> Any:
    """Take a model's only answer out of the list or dictionary that the model may give it in."""
    (only,) = keras.tree.flatten(answer)
    return only


@contextmanager
def resting(model: keras.Model) -> Iterator[None]:
    """Let a model's recurrent layers keep no state between calls, and draw no random numbers, for a while.

    Even at inference recurrent_dropout draws them in a graph.
    """
    with ExitStack() as undo:
        for part in parts_of(model):
            if isinstance(part, _RECURRENT):
                for name, value in (("stateful", False), ("dropout", 0.0), ("recurrent_dropout", 0.0)):
                    # A layer shows its cell's dropout, so ask what the part itself holds.
                    if vars(part).get(name):
                        undo.callback(setattr, part, name, getattr(part, name))
                        setattr(part, name, value)
        yield
