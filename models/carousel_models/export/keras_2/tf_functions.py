"""TensorFlow's functions that people call between layers, as Keras' own operations.

tf_keras writes such a call as a layer of its own, a TFOpLambda, that names the function and its arguments. Here are
those of TensorFlow's parameters, in TensorFlow's order, that give the same numbers in Keras.
"""

from collections.abc import Callable
from typing import Any

from keras import ops

Tensor = Any


def _cast(x: Tensor, dtype: str) -> Tensor:
    return ops.cast(x, dtype)


def _concat(values: list[Tensor], axis: int) -> Tensor:
    return ops.concatenate(values, axis=axis)


def _reduction(operation: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def reduce(input_tensor: Tensor, axis: int | list[int] | None = None, keepdims: bool = False) -> Tensor:
        return operation(input_tensor, axis=axis, keepdims=bool(keepdims))

    return reduce


def _matmul(a: Tensor, b: Tensor, transpose_a: bool = False, transpose_b: bool = False) -> Tensor:
    if transpose_a:
        a = ops.swapaxes(a, -1, -2)
    if transpose_b:
        b = ops.swapaxes(b, -1, -2)
    return ops.matmul(a, b)


def _multiply(x: Tensor, y: Tensor) -> Tensor:
    return ops.multiply(x, y)


def _add(x: Tensor, y: Tensor) -> Tensor:
    return ops.add(x, y)


def _subtract(x: Tensor, y: Tensor) -> Tensor:
    return ops.subtract(x, y)


def _divide(x: Tensor, y: Tensor) -> Tensor:
    return ops.true_divide(x, y)


def _power(x: Tensor, y: Tensor) -> Tensor:
    return ops.power(x, y)


def _maximum(x: Tensor, y: Tensor) -> Tensor:
    return ops.maximum(x, y)


def _minimum(x: Tensor, y: Tensor) -> Tensor:
    return ops.minimum(x, y)


def _softmax(logits: Tensor, axis: int = -1) -> Tensor:
    return ops.softmax(logits, axis=axis)


def _expand_dims(input: Tensor, axis: int) -> Tensor:  # noqa: A002 - TensorFlow's own name for it
    return ops.expand_dims(input, axis)


def _squeeze(input: Tensor, axis: int | list[int] | None = None) -> Tensor:  # noqa: A002 - TensorFlow's own name for it
    return ops.squeeze(input, tuple(axis) if isinstance(axis, list) else axis)


def _reshape(tensor: Tensor, shape: list[int]) -> Tensor:
    return ops.reshape(tensor, tuple(shape))


def _transpose(a: Tensor, perm: list[int] | None = None) -> Tensor:
    return ops.transpose(a, perm)


def _clip(t: Tensor, clip_value_min: float, clip_value_max: float) -> Tensor:
    return ops.clip(t, clip_value_min, clip_value_max)


def _stack(values: list[Tensor], axis: int = 0) -> Tensor:
    return ops.stack(values, axis=axis)


def _reverse(tensor: Tensor, axis: list[int]) -> Tensor:
    return ops.flip(tensor, axis=axis)


def _of_one(operation: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """Take the first argument, whatever TensorFlow calls it: x, features or input."""

    def call(*given: Tensor, **named: Tensor) -> Tensor:
        (x,) = [*given, *named.values()]
        return operation(x)

    return call


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "__operators__.add": _add,
    "cast": _cast,
    "clip_by_value": _clip,
    "concat": _concat,
    "expand_dims": _expand_dims,
    "linalg.matmul": _matmul,
    "math.abs": _of_one(ops.abs),
    "math.add": _add,
    "math.divide": _divide,
    "math.exp": _of_one(ops.exp),
    "math.log": _of_one(ops.log),
    "math.maximum": _maximum,
    "math.minimum": _minimum,
    "math.multiply": _multiply,
    "math.negative": _of_one(ops.negative),
    "math.pow": _power,
    "math.reduce_max": _reduction(ops.max),
    "math.reduce_mean": _reduction(ops.mean),
    "math.reduce_min": _reduction(ops.min),
    "math.reduce_sum": _reduction(ops.sum),
    "math.sigmoid": _of_one(ops.sigmoid),
    "math.sqrt": _of_one(ops.sqrt),
    "math.square": _of_one(ops.square),
    "math.subtract": _subtract,
    "math.tanh": _of_one(ops.tanh),
    "math.truediv": _divide,
    "nn.elu": _of_one(ops.elu),
    "nn.relu": _of_one(ops.relu),
    "nn.softmax": _softmax,
    "reshape": _reshape,
    "reverse": _reverse,
    "squeeze": _squeeze,
    "stack": _stack,
    "transpose": _transpose,
}
"""By TensorFlow's public name. Arguments that TensorFlow has and Keras has not are refused where they are given."""


def sliced(x: Tensor, slice_spec: list[Any]) -> Tensor:
    """Give `x[...]`, where `slice_spec` holds a number, or a start, a stop and a step, for each axis."""
    keys = [slice(key["start"], key["stop"], key["step"]) if isinstance(key, dict) else key for key in slice_spec]
    return x[tuple(keys)]
