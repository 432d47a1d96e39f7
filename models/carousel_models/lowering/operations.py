"""Operations of keras.ops that compute: arithmetic, comparisons, activations, reductions."""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import activations
from keras.ops import convert_to_numpy as to_numpy

from carousel.artifact import INPUTS
from carousel_models.lowering.activations import activate, clip, elu, leaky_relu, softmax, square_root
from carousel_models.lowering.graph import Graph, NoLowering, NotStepwise
from carousel_models.lowering.pooling import ones_of, sum_over
from carousel_models.lowering.registry import over_time, pointwise
from carousel_models.lowering.tensor import Tensor

_BINARY = {"Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "Divide": "Div", "TrueDivide": "Div", "Power": "Pow"}
_BINARY |= {"Maximum": "Max", "Minimum": "Min"}


def _named(operation: str) -> Callable[[Graph, str], str]:
    return lambda graph, x: graph.add(operation, x)


_UNARY = {
    name: _named(operation)
    for name, operation in {
        "Abs": "Abs",
        "Absolute": "Abs",
        "Ceil": "Ceil",
        "Erf": "Erf",
        "Exp": "Exp",
        "Floor": "Floor",
        "Identity": "Identity",
        "Negative": "Neg",
        "Reciprocal": "Reciprocal",
        "Sign": "Sign",
        "Tanh": "Tanh",
    }.items()
}
_UNARY |= {
    "Expm1": lambda graph, x: graph.add("Sub", graph.add("Exp", x), graph.constant(1.0)),
    "Sqrt": square_root,
    "Square": lambda graph, x: graph.add("Mul", x, x),
}

_ACTIVATIONS = {
    "HardSigmoid": activations.hard_sigmoid,
    "HardSilu": activations.hard_silu,
    "LogSigmoid": activations.log_sigmoid,
    "Relu": activations.relu,
    "Relu6": activations.relu6,
    "Selu": activations.selu,
    "Sigmoid": activations.sigmoid,
    "Silu": activations.silu,
    "Softplus": activations.softplus,
    "Softsign": activations.softsign,
}


@pointwise(*_BINARY)
def binary(graph: Graph, operation: Any, x1: Any, x2: Any) -> Tensor:
    """Write arithmetic between two tensors, or a tensor and a constant."""
    tensors, names = _operands(graph, x1, x2)
    return tensors[0].to(graph.add(_BINARY[type(operation).__name__], *names))


_LOGICAL = {"LogicalAnd": "And", "LogicalOr": "Or", "LogicalXor": "Xor"}
_COMPARED = {"Equal": "Equal", "Greater": "Greater", "GreaterEqual": "GreaterOrEqual", "Less": "Less"}
_COMPARED |= {"LessEqual": "LessOrEqual", "NotEqual": "Equal"}


@pointwise(*_COMPARED)
def compare(graph: Graph, operation: Any, x1: Any, x2: Any) -> Tensor:
    """Write a comparison; this is how a mask begins."""
    (like, *_), names = _operands(graph, x1, x2)
    result = graph.add(_COMPARED[type(operation).__name__], *names)
    if type(operation).__name__ == "NotEqual":
        result = graph.add("Not", result)
        if names[0] == INPUTS and len(like.shape) < 4 and np.ndim(x2) == 0:
            graph.masks[result] = float(x2)
    return like.to(result, dtype="bool")


@pointwise(*_LOGICAL)
def logical(graph: Graph, operation: Any, x1: Tensor, x2: Tensor) -> Tensor:
    """Write a logical operation between two masks."""
    return x1.to(graph.add(_LOGICAL[type(operation).__name__], x1.name, x2.name))


@pointwise("LogicalNot")
def logical_not(graph: Graph, _operation: Any, x: Tensor) -> Tensor:
    """Write logical_not."""
    return x.to(graph.add("Not", x.name))


@pointwise("Any", "All")
def any_or_all(graph: Graph, operation: Any, x: Tensor) -> Tensor:
    """Write any and all along axes."""
    kind = "ReduceMax" if type(operation).__name__ == "Any" else "ReduceMin"
    numbers = graph.cast(x.name, "float32")
    axes = x.axes(_named_axes(operation))
    result = graph.cast(graph.add(kind, numbers, axes=axes, keepdims=int(operation.keepdims)), "bool")
    if kind == "ReduceMax" and axes == [-1] and x.name in graph.masks:
        graph.masks[result] = graph.masks[x.name]
    return x.to(result)


@pointwise("Where")
def where(graph: Graph, _operation: Any, condition: Tensor, x1: Any, x2: Any) -> Tensor:
    """Write where between tensors or constants."""
    names = [x.name if isinstance(x, Tensor) else _constant(graph, x, condition) for x in (x1, x2)]
    return condition.to(graph.add("Where", condition.name, *names))


@pointwise("Cast")
def cast(graph: Graph, operation: Any, x: Tensor) -> Tensor:
    """Write cast."""
    return x.to(graph.cast(x.name, operation.dtype), dtype=operation.dtype)


@pointwise("ZerosLike", "OnesLike")
def constant_like(graph: Graph, operation: Any, x: Tensor, dtype: Any = None) -> Tensor:
    """Write zeros_like and ones_like."""
    kind = dtype or getattr(operation, "dtype", None) or x.dtype
    value = graph.constant(float(type(operation).__name__ == "OnesLike"))
    filled = graph.add("Expand", value, graph.add("Shape", x.name))
    return x.to(graph.cast(filled, str(kind)), dtype=str(kind))


@pointwise(*_UNARY)
def unary(graph: Graph, operation: Any, x: Tensor) -> Tensor:
    """Write a function of one number."""
    return x.to(_UNARY[type(operation).__name__](graph, x.name))


@pointwise(*_ACTIVATIONS)
def function(graph: Graph, operation: Any, x: Tensor) -> Tensor:
    """Write an activation that is called as an operation."""
    return x.to(activate(graph, _ACTIVATIONS[type(operation).__name__], x.name))


@pointwise("Elu", "LeakyRelu")
def sloped(graph: Graph, operation: Any, x: Tensor) -> Tensor:
    """Write elu and leaky_relu with slopes of their own."""
    if type(operation).__name__ == "Elu":
        return x.to(elu(graph, x.name, float(operation.alpha)))
    return x.to(leaky_relu(graph, x.name, float(operation.negative_slope)))


@pointwise("Softmax")
def softmax_operation(graph: Graph, operation: Any, x: Tensor) -> Tensor:
    """Write softmax."""
    return x.to(softmax(graph, x.name, x.axis(operation.axis)))


@pointwise("Clip")
def clip_operation(graph: Graph, operation: Any, x: Tensor) -> Tensor:
    """Write clip between two numbers."""
    return x.to(clip(graph, x.name, float(operation.x_min), float(operation.x_max)))


@pointwise("Max", "Min")
def extreme(graph: Graph, operation: Any, x: Tensor) -> Tensor:
    """Write the largest or the least along axes."""
    name = f"Reduce{type(operation).__name__}"
    axes = x.axes(_named_axes(operation))
    return x.to(graph.add(name, x.name, axes=axes, keepdims=int(operation.keepdims)))


@over_time("Mean", "Sum")
def average(graph: Graph, operation: Any, x: Tensor) -> Tensor:
    """Write a sum or an average along the features, or over time of [batch, timesteps, features]."""
    axes = x.axes(_named_axes(operation))
    mean = type(operation).__name__ == "Mean"
    if axes == [-1]:
        width = x.size(-1)
        result = graph.add("MatMul", x.name, graph.constant(np.full((width, 1), 1 / width if mean else 1.0)))
    elif axes == [-2] and len(x.shape) == 3:
        ones = ones_of(graph, x)
        result = sum_over(graph, ones, x.name)
        if mean:
            count = sum_over(graph, ones, graph.add("Unsqueeze", ones, graph.ints([2])))
            result = graph.add("Div", result, count)
    else:
        raise NoLowering(f"sums along the axes {operation.axis}")
    return x.to(result if operation.keepdims else graph.add("Squeeze", result, graph.ints(axes)))


@over_time("Matmul")
def matmul(graph: Graph, _operation: Any, x1: Any, x2: Any) -> Tensor:
    """Write matmul of two sequences, or with a constant matrix."""
    if isinstance(x1, Tensor) and isinstance(x2, Tensor):
        if graph.stepwise:
            raise NotStepwise("multiplies timesteps with one another")
        if len(x1.shape) != len(x2.shape) or len(x1.shape) < 3:
            raise NoLowering("multiplies tensors of several ranks")
        return x1.to(graph.add("MatMul", x1.name, x2.name))
    if not isinstance(x1, Tensor) or np.ndim(x2) != 2:
        raise NoLowering("multiplies with a constant that is no matrix on the right")
    return x1.to(graph.add("MatMul", x1.name, graph.constant(to_numpy(x2))))


def _operands(graph: Graph, x1: Any, x2: Any) -> tuple[list[Tensor], list[str]]:
    tensors = [x for x in (x1, x2) if isinstance(x, Tensor)]
    if len(tensors) == 2 and len(x1.shape) != len(x2.shape):
        raise NoLowering("is between tensors of several ranks")
    return tensors, [x.name if isinstance(x, Tensor) else _constant(graph, x, tensors[0]) for x in (x1, x2)]


def _named_axes(operation: Any) -> Any:
    if operation.axis is None:
        raise NoLowering("works along all axes, the batch's too: an answer would depend on its batch-mates")
    return operation.axis


def _constant(graph: Graph, value: Any, like: Tensor) -> str:
    array = np.asarray(to_numpy(value), like.dtype if like.dtype.startswith("int") else np.float32)
    if like.timewise and array.ndim >= len(like.shape) - 1 and array.shape[1 - len(like.shape)] > 1:
        raise NotStepwise("has a constant for every timestep")
    return graph.cast(graph.ints(array), like.dtype) if array.dtype.kind == "i" else graph.constant(array)
