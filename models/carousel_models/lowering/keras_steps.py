"""A stepwise model as Keras itself computes it: every timestep answered, every state an argument and a result.

This is what the SavedModel holds, beside which the cell graph is proven. Only what carries a state is rebuilt; all else
is the model's own layers, called on all timesteps.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops, tree

from carousel.artifact import State
from carousel_models.lowering.recurrent import cells_of
from carousel_models.lowering.walk import walk


@dataclass(slots=True, eq=False)
class _Value:
    """A tensor [batch, timesteps, ...], and whether the model has the timesteps in it too."""

    tensor: Any
    timewise: bool


class KerasSteps:
    """A model that can be cut in time.

    Attributes:
        layers: Those whose variables `advance` reads.
    """

    def __init__(self, model: keras.Model, states: tuple[State, ...]) -> None:
        """Rebuild what carries one of `states`, which are in the order of the model's calls."""
        self._model = model
        self._states = states
        self._recurrent: dict[int, list[layers.RNN]] = {}
        self.layers: list[keras.layers.Layer] = []

        def find(operation: keras.Operation, _args: Any, _kwargs: Any, given: list[Any]) -> list[Any]:
            if isinstance(operation, layers.RNN):
                self._recurrent.setdefault(id(operation), _rebuilt(operation))
            elif isinstance(operation, layers.Layer):
                self.layers.append(operation)
            return [None] * len(given)

        walk(model, [None], find)
        self.layers += [layer for rebuilt in self._recurrent.values() for layer in rebuilt]

    def advance(self, inputs: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        """Run a chunk of timesteps.

        Args:
            inputs: A tensor [batch, timesteps, ...].
            states: A tensor [batch, units] for each state, in their order; after them goes the chunk.

        Returns:
            The outputs, [batch, timesteps, units], and the states after them.
        """
        chunk = _Chunk(self._recurrent, list(states))
        (answer,) = walk(self._model, [_Value(inputs, timewise=True)], chunk.call)
        return answer.tensor, chunk.following


def keras_whole(model: keras.Model, inputs: Any) -> Any:
    """Run a model of one output on inputs [batch, timesteps, ...], by calling its layers one after another.

    Keras' own TimeDistributed fails on unknown timesteps under tf.function, so all of them are made one batch.

    Args:
        model: It is not changed.
        inputs: A tensor [batch, timesteps, ...].

    Returns:
        The model's answer, a tensor [batch, ...].
    """

    def call(operation: keras.Operation, args: Any, kwargs: Any, _given: list[Any]) -> list[Any]:
        if isinstance(operation, layers.TimeDistributed):
            x = args[0] if args else kwargs["inputs"]
            (given,) = _at_each_step(operation.layer, (_Value(x, timewise=True),), {})
            given._keras_mask = getattr(x, "_keras_mask", None)  # noqa: SLF001 - so Keras itself hands a mask on
            return [given]
        return list(tree.flatten(operation(*args, **kwargs)))

    (answer,) = walk(model, [inputs], call)
    return answer


class _Chunk:
    """One chunk on its way through the model.

    Attributes:
        following: The states after it.
    """

    def __init__(self, recurrent: dict[int, list[layers.RNN]], waiting: list[Any]) -> None:
        self._recurrent = recurrent
        self._waiting = waiting
        self.following: list[Any] = []

    def call(self, operation: keras.Operation, args: Any, kwargs: Any, _given: list[Any]) -> list[_Value]:
        """Make one call of the model."""
        first = next(value for value in tree.flatten((args, kwargs)) if isinstance(value, _Value))
        if isinstance(operation, layers.RNN):
            return self._recur(operation, first, kwargs.get("mask"))
        if isinstance(operation, layers.Conv1D) and first.timewise and operation.padding == "causal":
            return [_Value(self._convolve(operation, first.tensor), timewise=True)]
        if isinstance(operation, layers.TimeDistributed):
            # Keras' own fails on unknown timesteps under tf.function.
            return [_Value(_at_each_step(operation.layer, (first,), {})[0], timewise=True)]
        if type(operation).__name__ == "GetItem" and first.timewise:
            key, last = _without_last(kwargs["key"] if "key" in kwargs else args[1])
            return [_Value(first.tensor[key], timewise=not last)]
        if first.timewise:
            args, kwargs = tree.map_structure(_tensor_of, (args, kwargs))
            return [_Value(tensor, timewise=True) for tensor in tree.flatten(operation(*args, **kwargs))]
        return [_Value(tensor, timewise=False) for tensor in _at_each_step(operation, args, kwargs)]

    def _recur(self, layer: layers.RNN, x: _Value, given: Any) -> list[_Value]:
        mask = given.tensor if isinstance(given, _Value) else getattr(x.tensor, "_keras_mask", None)
        outputs = x.tensor
        for rebuilt in self._recurrent[id(layer)]:
            before = [self._waiting.pop(0) for _ in tree.flatten(rebuilt.cell.state_size)]
            outputs, *after = rebuilt(outputs, initial_state=before, mask=mask, training=False)
            if mask is not None:
                # Before its first valid timestep a chunk repeats the output before it, where Keras would give zeros.
                begun = ops.cumsum(ops.cast(mask, "int32"), axis=1) > 0
                outputs = ops.where(begun[:, :, None], outputs, before[0][:, None])
            self.following += tree.flatten(after)
        if mask is not None and layer.zero_output_for_mask:
            outputs = ops.where(mask[:, :, None], outputs, 0.0)
        if mask is not None and layer.return_sequences:
            outputs._keras_mask = mask  # noqa: SLF001 - so Keras itself hands a mask on
        # A state that is no output is not used by a stepwise model.
        states = [_Value(outputs, timewise=False) for _ in tree.flatten(layer.cell.state_size)]
        answer = _Value(outputs, timewise=layer.return_sequences)
        return [answer, *states] if layer.return_state else [answer]

    def _convolve(self, layer: layers.Conv1D, x: Any) -> Any:
        span = (layer.kernel_size[0] - 1) * layer.dilation_rate[0]
        if not span:
            return layer(x)
        before = ops.reshape(self._waiting.pop(0), (-1, span, x.shape[2]))
        extended = ops.concatenate([before, x], axis=1)
        self.following.append(ops.reshape(extended[:, -span:], (-1, span * x.shape[2])))
        # What Keras puts before the first timestep reaches no output past the timesteps that were put there here.
        return layer(extended)[:, span:]


def _rebuilt(layer: layers.RNN) -> list[layers.RNN]:
    """Make a layer for each cell, which answers every timestep and draws no random numbers."""
    rebuilt = []
    for i, cell in enumerate(cells_of(layer)):
        same = type(cell).from_config(cell.get_config() | {"dropout": 0.0, "recurrent_dropout": 0.0})
        rnn = layers.RNN(same, return_sequences=True, return_state=True, name=f"{layer.name}_{i}")
        rnn.build((None, None, cell.kernel.shape[0]))
        # Seeds of dropout are weights to Keras, of another dtype.
        same.set_weights([weight for weight in cell.get_weights() if np.issubdtype(weight.dtype, np.floating)])
        rebuilt.append(rnn)
    return rebuilt


def _at_each_step(operation: keras.Operation, args: Any, kwargs: Any) -> list[Any]:
    """Call what has no timesteps on all of them: they and the batch become one."""
    first = next(value.tensor for value in tree.flatten((args, kwargs)) if isinstance(value, _Value))
    batch, steps = ops.shape(first)[:2]

    def fold(value: Any) -> Any:
        if not isinstance(value, _Value):
            return value
        return ops.reshape(value.tensor, (-1, *value.tensor.shape[2:]))

    args, kwargs = tree.map_structure(fold, (args, kwargs))
    return [ops.reshape(t, (batch, steps, *t.shape[1:])) for t in tree.flatten(operation(*args, **kwargs))]


def _without_last(key: Any) -> tuple[Any, bool]:
    """Leave the timesteps whole where a slice takes the last one."""
    parts = list(key) if isinstance(key, list | tuple) else [key]
    if len(parts) > 1 and parts[0] == slice(None) and parts[1] == -1:
        return (slice(None), slice(None), *parts[2:]), True
    return tuple(parts), False


def _tensor_of(value: Any) -> Any:
    return value.tensor if isinstance(value, _Value) else value
