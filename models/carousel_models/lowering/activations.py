"""Keras' activation functions in ONNX: as names inside a recurrent operation, as operations of their own elsewhere.

Only operations whose result for one element does not depend on how many elements there are, so that batch-mates and
chunk boundaries change no bit. Elu, Selu, Softplus, Log and ReduceMean of ONNX Runtime 1.32 are not among them, nor is
Sqrt of 1.20: what is left over after the last full vector register, or before an aligned address, goes another way.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import activations

from carousel_models.lowering.graph import Graph


def hard_sigmoid_of_keras_2(x: keras.KerasTensor) -> keras.KerasTensor:
    """Clip 0.2 x + 0.5 to [0, 1]: what `hard_sigmoid` meant before Keras 3."""
    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


keras.saving.register_keras_serializable("carousel")(hard_sigmoid_of_keras_2)

LSTM_ACTIVATIONS: dict[object, tuple[str, tuple[float, ...], tuple[float, ...]]] = {
    activations.elu: ("Elu", (1.0,), ()),
    activations.hard_sigmoid: ("HardSigmoid", (1 / 6,), (0.5,)),
    activations.leaky_relu: ("LeakyRelu", (0.2,), ()),
    activations.linear: ("Affine", (1.0,), (0.0,)),
    activations.relu: ("Relu", (), ()),
    activations.sigmoid: ("Sigmoid", (), ()),
    activations.softsign: ("Softsign", (), ()),
    activations.sparse_sigmoid: ("HardSigmoid", (0.5,), (0.5,)),
    activations.tanh: ("Tanh", (), ()),
    hard_sigmoid_of_keras_2: ("HardSigmoid", (0.2,), (0.5,)),
}
"""What ONNX's LSTM and GRU call an activation, with its alpha and its beta where it has them.

Not Softplus: inside ONNX Runtime's LSTM it overflows above 88.
"""


def activate(graph: Graph, function: object, x: str) -> str:
    """Add an activation; return its result's name. One that is not known here makes the graph unusable, and says so."""
    if function not in _OPERATIONS:
        name = getattr(function, "__name__", type(function).__name__)
        graph.missing = graph.missing or f"the activation {name!r} has no ONNX form here"
        return x
    return _OPERATIONS[function](graph, x)


def leaky_relu(graph: Graph, x: str, slope: float) -> str:
    """Add max(x, 0) + slope * min(x, 0)."""
    return graph.add("LeakyRelu", x, alpha=slope)


def elu(graph: Graph, x: str, alpha: float = 1.0) -> str:
    """Add max(x, 0) + alpha * (exp(min(x, 0)) - 1)."""
    zero, one = graph.constant(0.0), graph.constant(1.0)
    below = graph.add("Sub", graph.add("Exp", graph.add("Min", x, zero)), one)
    return graph.add("Add", graph.add("Max", x, zero), graph.add("Mul", below, graph.constant(alpha)))


def clip(graph: Graph, x: str, low: float, high: float) -> str:
    """Add min(max(x, low), high)."""
    return graph.add("Clip", x, graph.constant(low), graph.constant(high))


def square_root(graph: Graph, x: str) -> str:
    """Add the square root."""
    return graph.add("Pow", x, graph.constant(0.5))


def softmax(graph: Graph, x: str, axis: int = -1) -> str:
    """Add softmax along an axis."""
    return graph.add("Softmax", x, axis=axis)


def _selu(graph: Graph, x: str) -> str:
    return graph.add("Mul", elu(graph, x, 1.6732632423543772), graph.constant(1.0507009873554805))


def _softplus(graph: Graph, x: str) -> str:
    # log(exp(x) + exp(0)) is the normaliser of softmax([0, x]): minus the log-softmax of the 0.
    last = graph.add("Unsqueeze", x, graph.ints([-1]))
    pairs = graph.concat([graph.add("Mul", last, graph.constant(0.0)), last], -1)
    first = graph.add("Gather", graph.add("LogSoftmax", pairs, axis=-1), graph.ints(0), axis=-1)
    return graph.add("Neg", first)


def _mish(graph: Graph, x: str) -> str:
    return graph.add("Mul", x, graph.add("Tanh", _softplus(graph, x)))


def _log_sigmoid(graph: Graph, x: str) -> str:
    return graph.add("Neg", _softplus(graph, graph.add("Neg", x)))


def _gelu(graph: Graph, x: str) -> str:
    erf = graph.add("Erf", graph.add("Mul", x, graph.constant(0.5**0.5)))
    half = graph.add("Mul", x, graph.constant(0.5))
    return graph.add("Mul", half, graph.add("Add", erf, graph.constant(1.0)))


def _line(slope: float) -> Callable[[Graph, str], str]:
    def hard_sigmoid(graph: Graph, x: str) -> str:
        line = graph.add("Add", graph.add("Mul", x, graph.constant(slope)), graph.constant(0.5))
        return clip(graph, line, 0.0, 1.0)

    return hard_sigmoid


def _times_x(gate: Callable[[Graph, str], str]) -> Callable[[Graph, str], str]:
    return lambda graph, x: graph.add("Mul", x, gate(graph, x))


def _squareplus(graph: Graph, x: str) -> str:
    root = square_root(graph, graph.add("Add", graph.add("Mul", x, x), graph.constant(4.0)))
    return graph.add("Mul", graph.add("Add", x, root), graph.constant(0.5))


def _sparse_plus(graph: Graph, x: str) -> str:
    shifted = graph.add("Add", clip(graph, x, -1.0, 1.0), graph.constant(1.0))
    curve = graph.add("Mul", graph.add("Mul", shifted, shifted), graph.constant(0.25))
    return graph.add("Where", graph.add("Less", x, graph.constant(1.0)), curve, x)


def _hard_shrink(graph: Graph, x: str) -> str:
    far = graph.add("Greater", graph.add("Abs", x), graph.constant(0.5))
    return graph.add("Where", far, x, graph.constant(0.0))


def _soft_shrink(graph: Graph, x: str) -> str:
    return graph.add("Sub", x, clip(graph, x, -0.5, 0.5))


def _tanh_shrink(graph: Graph, x: str) -> str:
    return graph.add("Sub", x, graph.add("Tanh", x))


def _operation(name: str, **attributes: Any) -> Callable[[Graph, str], str]:
    return lambda graph, x: graph.add(name, x, **attributes)


_OPERATIONS: dict[object, Callable[[Graph, str], str]] = {
    activations.celu: elu,
    activations.elu: elu,
    activations.exponential: _operation("Exp"),
    activations.gelu: _gelu,
    activations.hard_shrink: _hard_shrink,
    activations.hard_sigmoid: _line(1 / 6),
    activations.hard_silu: _times_x(_line(1 / 6)),
    activations.hard_tanh: lambda graph, x: clip(graph, x, -1.0, 1.0),
    activations.leaky_relu: lambda graph, x: leaky_relu(graph, x, 0.2),
    activations.linear: lambda _, x: x,
    activations.log_sigmoid: _log_sigmoid,
    activations.log_softmax: _operation("LogSoftmax", axis=-1),
    activations.mish: _mish,
    activations.relu: _operation("Relu"),
    activations.relu6: lambda graph, x: clip(graph, x, 0.0, 6.0),
    activations.selu: _selu,
    activations.sigmoid: _operation("Sigmoid"),
    activations.silu: _times_x(_operation("Sigmoid")),
    activations.soft_shrink: _soft_shrink,
    activations.softmax: softmax,
    activations.softplus: _softplus,
    activations.softsign: _operation("Softsign"),
    activations.sparse_plus: _sparse_plus,
    activations.sparse_sigmoid: _line(0.5),
    activations.squareplus: _squareplus,
    activations.tanh: _operation("Tanh"),
    activations.tanh_shrink: _tanh_shrink,
    hard_sigmoid_of_keras_2: _line(0.2),
}
