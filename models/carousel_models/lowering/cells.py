"""The cells of recurrent layers, each as one ONNX operation over all timesteps, or as a loop where there is none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers
from keras.ops import convert_to_numpy as to_numpy

from carousel_models.lowering.activations import LSTM_ACTIVATIONS
from carousel_models.lowering.graph import Graph
from carousel_models.lowering.loops import GRU_STEP, LSTM_STEP, RNN_STEP, Inputs, Steps, loop
from carousel_models.lowering.masks import pack, unpack, without_sign_of_zero


@dataclass(frozen=True, slots=True)
class Cell:
    """How a cell is written, and the names of its states, the hidden one first."""

    run: Callable[[Graph, Any, Inputs], Steps]
    states: tuple[str, ...]


def _lstm(graph: Graph, cell: layers.LSTMCell, x: Inputs) -> Steps:
    if not _named(cell.activation, cell.recurrent_activation):
        return loop(graph, cell, x, LSTM_STEP)
    bias = _bias(cell, 4)
    weights = [_lstm_gates(to_numpy(cell.kernel).T), _lstm_gates(to_numpy(cell.recurrent_kernel).T)]
    # ONNX adds two biases, one beside each kernel; Keras has one.
    biases = np.concatenate([_lstm_gates(bias), np.zeros_like(bias)])
    functions = (cell.recurrent_activation, cell.activation, cell.activation)
    return _operation(graph, "LSTM", cell.units, x, weights, biases, functions)


def _gru(graph: Graph, cell: layers.GRUCell, x: Inputs) -> Steps:
    if not _named(cell.activation, cell.recurrent_activation):
        return loop(graph, cell, x, GRU_STEP)
    bias = _bias(cell, 3)
    biases = bias if cell.reset_after and cell.use_bias else np.stack([bias, np.zeros_like(bias)])
    weights = [to_numpy(cell.kernel).T, to_numpy(cell.recurrent_kernel).T]
    functions = (cell.recurrent_activation, cell.activation)
    reset = int(cell.reset_after)
    return _operation(graph, "GRU", cell.units, x, weights, biases.reshape(-1), functions, linear_before_reset=reset)


def _simple_rnn(graph: Graph, cell: layers.SimpleRNNCell, x: Inputs) -> Steps:
    if not _named(cell.activation):
        return loop(graph, cell, x, RNN_STEP)
    # As a GRU whose update gate is always 0 and whose reset gate is always 1: ONNX Runtime's RNN gives other bits to
    # other batches, its GRU does not.
    kernel, recurrent = to_numpy(cell.kernel).T, to_numpy(cell.recurrent_kernel).T
    gates = [np.concatenate([np.zeros((2 * cell.units, w.shape[1]), np.float32), w]) for w in (kernel, recurrent)]
    open_, shut = np.full(cell.units, 1, np.float32), np.full(cell.units, -1, np.float32)
    biases = np.concatenate([shut, open_, _bias(cell, 1), np.zeros(3 * cell.units, np.float32)])
    return _operation(graph, "GRU", cell.units, x, gates, biases, (_ALWAYS, cell.activation), linear_before_reset=1)


CELLS: Mapping[type[keras.Layer], Cell] = {
    layers.LSTMCell: Cell(_lstm, ("h", "c")),
    layers.GRUCell: Cell(_gru, ("h",)),
    layers.SimpleRNNCell: Cell(_simple_rnn, ("h",)),
}

_ALWAYS = object()
"""A gate's activation that is 1 at 1 and 0 at -1."""

_INSIDE = LSTM_ACTIVATIONS | {_ALWAYS: ("HardSigmoid", (1.0,), (0.0,))}


def _operation(
    graph: Graph,
    operation: str,
    units: int,
    x: Inputs,
    weights: list[np.ndarray],
    biases: np.ndarray,
    functions: tuple[Any, ...],
    **attributes: Any,
) -> Steps:
    names = [_INSIDE[function] for function in functions]
    packed = pack(graph, x.steps, x.mask) if x.mask else None
    states = 2 if operation == "LSTM" else 1
    steps, *after = graph.add_many(
        1 + states,
        operation,
        packed.steps if packed else x.steps,
        *(graph.constant(w[None]) for w in (*weights, biases)),
        packed.lengths if packed else "",
        *x.before,
        hidden_size=units,
        direction="reverse" if x.backwards else "forward",
        activations=[name for name, _, _ in names],
        # ONNX Runtime hands these out in order, to those activations alone that take one.
        activation_alpha=[alpha for _, alphas, _ in names for alpha in alphas] or None,
        activation_beta=[beta for _, _, betas in names for beta in betas] or None,
        **attributes,
    )
    steps = graph.add("Squeeze", steps, graph.ints([1]))
    if packed is None:
        return Steps(steps, after)
    zero = graph.constant(0.0)
    steps, *after = (without_sign_of_zero(graph, name) for name in (steps, *after))
    # What is repeated before the first valid timestep: zeros as in Keras; in a later chunk, the output before it.
    first = x.before[0] if graph.stepwise else zero
    steps = unpack(graph, packed, steps, first, backwards=x.backwards)
    before = x.before or [zero] * states
    after = [graph.add("Where", packed.empty, old, new) for old, new in zip(before, after, strict=True)]
    return Steps(steps, after)


def _named(*functions: object) -> bool:
    return all(function in LSTM_ACTIVATIONS for function in functions)


def _bias(cell: Any, gates: int) -> np.ndarray:
    return to_numpy(cell.bias) if cell.use_bias else np.zeros(gates * cell.units, np.float32)


def _lstm_gates(weights: np.ndarray) -> np.ndarray:
    """Put the gates of [4 * units, ...] from Keras' order i, f, c, o into ONNX's i, o, f, c."""
    update, forget, carry, output = np.split(weights, 4)
    return np.concatenate([update, output, forget, carry])
