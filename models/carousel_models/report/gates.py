"""What the gates and states of a model's LSTMs are over one sequence, by the equations of the layer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from carousel.tensors import Samples
from carousel_models.lowering import walk

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Gates:
    """One LSTM over one sequence: every array is [timesteps, units], in the order of the sequence's timesteps.

    With z = x.kernel + h.recurrent_kernel + bias, in four parts i, f, c, o:

        i = recurrent_activation(z_i)       how much of the candidate is taken in
        f = recurrent_activation(z_f)       how much of the cell state is kept
        c = f * c before + i * candidate,   candidate = activation(z_c)
        o = recurrent_activation(z_o)       how much of the cell state is shown
        h = o * activation(c)

    A timestep that is masked changes no state: its gates are NaN, and its states those of the timestep before.

    Attributes:
        layer: The layer's name; of a Bidirectional one, with its direction.
        activation, recurrent_activation: Their names; None is "linear".
        backwards: Whether the layer reads the last timestep first, so that "before" is what comes after.
    """

    layer: str
    activation: str
    recurrent_activation: str
    i: Numbers
    f: Numbers
    candidate: Numbers
    o: Numbers
    c: Numbers
    h: Numbers
    backwards: bool


def gates_in(model: keras.Model, sequence: Samples) -> list[Gates]:
    """Give the gates of each LSTM of `model`, in the order in which they run, in float64.

    Bidirectional layers, models in models and `RNN(LSTMCell(...))` are looked into; LSTMs inside other layers, as
    TimeDistributed, are not.

    Args:
        model: A Sequential or functional model of one input.
        sequence: Its input, [timesteps, ...].
    """
    found: list[Gates] = []

    def call(operation: keras.Operation, args: Any, kwargs: Any, specs: list[Any]) -> list[Any]:  # noqa: ARG001
        found.extend(_gates_of(operation, args, kwargs))
        training = {"training": False} if getattr(operation, "_call_has_training_arg", False) else {}
        return list(keras.tree.flatten(operation(*args, **kwargs | training)))

    walk(model, [keras.ops.convert_to_tensor(sequence[None].astype(model.inputs[0].dtype))], call)
    return found


def _gates_of(operation: keras.Operation, args: Any, kwargs: Any) -> Iterator[Gates]:
    two = isinstance(operation, layers.Bidirectional)
    if not two and not isinstance(operation, layers.RNN):
        return
    inputs, *rest = args
    states = kwargs.get("initial_state") or next(iter(rest), None)
    # Keras keeps the mask of a tensor on it, unless it is given by name.
    mask = kwargs.get("mask")
    mask = getattr(inputs, "_keras_mask", None) if mask is None else mask
    ways = [(operation.name, operation, states)]
    if two:
        half = len(states) // 2 if states else 0
        ways = [
            (f"{operation.name}, forward", operation.forward_layer, states and states[:half]),
            (f"{operation.name}, backward", operation.backward_layer, states and states[half:]),
        ]
    for name, layer, own in ways:
        if isinstance(layer, layers.RNN) and isinstance(layer.cell, layers.LSTMCell):
            yield _over(name, layer, inputs, mask, own)


def _over(name: str, layer: layers.RNN, inputs: Any, mask: Any, states: list[Any] | None) -> Gates:
    cell = layer.cell
    x = _numbers(inputs)[0]
    order = range(len(x))[::-1] if layer.go_backwards else range(len(x))
    valid = np.ones(len(x), bool) if mask is None else keras.ops.convert_to_numpy(mask)[0].astype(bool)
    kernel, recurrent = _numbers(cell.kernel), _numbers(cell.recurrent_kernel)
    bias = _numbers(cell.bias) if cell.use_bias else 0.0
    act, gate = _function(cell.activation), _function(cell.recurrent_activation)
    h, c = (np.zeros(cell.units), np.zeros(cell.units)) if states is None else (_numbers(s)[0] for s in states)
    # Of i, f, candidate, o, c and h.
    rows = np.full((6, len(x), cell.units), np.nan)
    for step in order:
        if valid[step]:
            z_i, z_f, z_c, z_o = np.split(x[step] @ kernel + h @ recurrent + bias, 4)
            i, f, candidate, o = gate(z_i), gate(z_f), act(z_c), gate(z_o)
            c = f * c + i * candidate
            h = o * act(c)
            rows[:4, step] = i, f, candidate, o
        rows[4:, step] = c, h
    i, f, candidate, o, c, h = rows
    names = (_name(cell.activation), _name(cell.recurrent_activation))
    return Gates(name, *names, i, f, candidate, o, c, h, backwards=layer.go_backwards)


def _function(activation: Callable[[Any], Any]) -> Callable[[Numbers], Numbers]:
    # Some of Keras' activations want a batch.
    return lambda values: _numbers(activation(keras.ops.convert_to_tensor(values[None])))[0]


def _numbers(tensor: Any) -> Numbers:
    numbers: Numbers = keras.ops.convert_to_numpy(tensor).astype(np.float64)
    return numbers


def _name(activation: Any) -> str:
    return str(getattr(activation, "__name__", None) or getattr(activation, "name", type(activation).__name__))
