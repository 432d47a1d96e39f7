"""Operations of keras.ops between layers: arithmetic, slices, reductions, shapes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import activations
from keras.ops import convert_to_numpy as to_numpy

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
    return like.to(graph.add("Not", result) if type(operation).__name__ == "NotEqual" else result, dtype="bool")


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
    result = graph.add(kind, numbers, axes=x.axes(_named_axes(operation)), keepdims=int(operation.keepdims))
    return x.to(graph.cast(result, "bool"))


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


@pointwise("Concatenate")
def concatenate(graph: Graph, operation: Any, xs: list[Tensor]) -> Tensor:
    """Write concatenate."""
    return xs[0].to(graph.concat([x.name for x in xs], xs[0].axis(operation.axis)))


@pointwise("Stack")
def stack(graph: Graph, operation: Any, xs: list[Tensor]) -> Tensor:
    """Write stack along a new axis."""
    axis = _new_axis(xs[0], operation.axis)
    return xs[0].to(graph.concat([graph.add("Unsqueeze", x.name, graph.ints([axis])) for x in xs], axis))


@pointwise("ConvertToTensor")
def convert_to_tensor(_graph: Graph, _operation: Any, x: Tensor) -> Tensor:
    """Write convert_to_tensor: nothing."""
    return x


@pointwise("ExpandDims")
def expand_dims(graph: Graph, operation: Any, x: Tensor) -> Tensor:
    """Write expand_dims."""
    return x.to(graph.add("Unsqueeze", x.name, graph.ints([_new_axis(x, operation.axis)])))


@pointwise("Squeeze")
def squeeze(graph: Graph, operation: Any, x: Tensor) -> Tensor:
    """Write squeeze of axes that are named."""
    if operation.axis is None:
        raise NoLowering("names no axis")
    return x.to(graph.add("Squeeze", x.name, graph.ints(x.axes(operation.axis))))


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


@over_time("Transpose")
def transpose(graph: Graph, operation: Any, x: Tensor) -> Tensor:
    """Write transpose that leaves the batch where it is."""
    axes = [] if operation.axes is None else [axis % len(x.shape) for axis in operation.axes]
    if not axes or axes[0] != 0:
        raise NoLowering("moves the batch axis")
    if graph.stepwise and axes[1] != 1:
        raise NotStepwise("makes features of timesteps")
    return x.to(graph.add("Transpose", x.name, perm=axes))


@over_time("Reshape")
def reshape(graph: Graph, operation: Any, x: Tensor) -> Tensor:
    """Write reshape that leaves the batch as it is."""
    if graph.stepwise:
        raise NotStepwise("makes other timesteps of the sequence's")
    first, *rest = operation.newshape
    sizes = x.shape[1:]
    fixed = None not in sizes and -1 not in rest and None not in rest
    if first not in (-1, None) or not fixed or math.prod(rest) != math.prod(size for size in sizes if size):
        raise NoLowering("may change the batch axis")
    return x.to(graph.reshape(x.name, 0, *rest))


@over_time("GetItem")
def get_item(graph: Graph, _operation: Any, x: Tensor, key: Any) -> Tensor:
    """Write a slice. The last timestep of a sequence is what every timestep is to the sequence that ends there."""
    parts, new = _parts(key, len(x.shape))
    if parts[0] != slice(None):
        raise NoLowering("takes a part of the batch")
    timewise = x.timewise
    if x.timewise and parts[1] != slice(None):
        if parts[1] != -1:
            raise NotStepwise("takes a part of the timesteps")
        timewise, parts[1] = False, slice(None)
    name = x.name
    for axis, part in enumerate(parts):
        place = axis - len(parts)
        if isinstance(part, int):
            name = graph.add("Gather", name, graph.ints(part), axis=place)
        elif part != slice(None):
            step = part.step or 1
            name = graph.slice(
                name, place, part.start if part.start is not None else (0 if step > 0 else -1), part.stop, step
            )
    return x.to(graph.add("Unsqueeze", name, graph.ints(new)) if new else name, timewise=timewise)


def _operands(graph: Graph, x1: Any, x2: Any) -> tuple[list[Tensor], list[str]]:
    tensors = [x for x in (x1, x2) if isinstance(x, Tensor)]
    if len(tensors) == 2 and len(x1.shape) != len(x2.shape):
        raise NoLowering("is between tensors of several ranks")
    return tensors, [x.name if isinstance(x, Tensor) else _constant(graph, x, tensors[0]) for x in (x1, x2)]


def _new_axis(x: Tensor, axis: int) -> int:
    """Count an axis that is to be made from the end."""
    rank = len(x.shape) + 1
    if axis % rank == 0:
        raise NoLowering("moves the batch axis")
    if axis % rank == 1 and x.timewise:
        raise NotStepwise("moves the timesteps")
    return axis % rank - rank


def _parts(key: Any, rank: int) -> tuple[list[Any], list[int]]:
    """Say what is taken of each axis, and where in the result, counted from its end, new axes are."""
    parts = list(key) if isinstance(key, list | tuple) else [key]
    if any(part not in (Ellipsis, None) and not isinstance(part, int | slice) for part in parts):
        raise NoLowering("takes a slice by more than numbers")
    if Ellipsis not in parts:
        parts.append(Ellipsis)
    at = parts.index(Ellipsis)
    parts[at : at + 1] = [slice(None)] * (rank - sum(part is not None for part in parts) + 1)
    kept = [part for part in parts if not isinstance(part, int)]
    new = [place - len(kept) for place, part in enumerate(kept) if part is None]
    if new and (parts[0] is None or any(place == -len(kept) for place in new)):
        raise NoLowering("moves the batch axis")
    return [part for part in parts if part is not None], new


def _named_axes(operation: Any) -> Any:
    if operation.axis is None:
        raise NoLowering("works along all axes, the batch's too: an answer would depend on its batch-mates")
    return operation.axis


def _constant(graph: Graph, value: Any, like: Tensor) -> str:
    array = np.asarray(to_numpy(value), like.dtype if like.dtype.startswith("int") else np.float32)
    if like.timewise and array.ndim >= len(like.shape) - 1 and array.shape[1 - len(like.shape)] > 1:
        raise NotStepwise("has a constant for every timestep")
    return graph.cast(graph.ints(array), like.dtype) if array.dtype.kind == "i" else graph.constant(array)
