"""Layers that normalise by statistics of what comes, or of what came in training.

Averages are matrix products with 1 / width: ONNX Runtime's ReduceMean gives other bits to other batches, and its
LayerNormalization loses digits in older releases.
"""

import math
from typing import Any

import numpy as np
from keras import layers
from keras.ops import convert_to_numpy as to_numpy

from carousel_models.lowering.activations import square_root
from carousel_models.lowering.graph import Graph, NoLowering
from carousel_models.lowering.pooling import sum_over
from carousel_models.lowering.registry import over_time, pointwise
from carousel_models.lowering.tensor import Tensor


@pointwise(layers.BatchNormalization)
def batch_normalization(graph: Graph, layer: layers.BatchNormalization, x: Tensor, **_: Any) -> Tensor:
    """Write BatchNormalization with the statistics of training."""
    (axis,) = x.axes(layer.axis)
    mean, variance = to_numpy(layer.moving_mean), to_numpy(layer.moving_variance)
    gamma = to_numpy(layer.gamma) if layer.scale else np.float32(1)
    factor = gamma / np.sqrt(variance + np.float32(layer.epsilon))
    along = (-1, *[1] * (-axis - 1))
    centred = graph.add("Sub", x.name, graph.constant(mean.reshape(along)))
    result = graph.add("Mul", centred, graph.constant(factor.reshape(along)))
    return x.to(_shifted(graph, layer, result, along))


@pointwise(layers.LayerNormalization)
def layer_normalization(graph: Graph, layer: layers.LayerNormalization, x: Tensor, **_: Any) -> Tensor:
    """Write LayerNormalization along the last axes."""
    axes = _last_axes(x, layer.axis)
    if layer.get_config().get("rms_scaling"):
        raise NoLowering("scales by the root mean square (rms_scaling=True)")
    flat, width, back = _flat(graph, x, axes)
    centred = graph.add("Sub", flat, mean_of(graph, flat, width))
    variance = mean_of(graph, graph.add("Mul", centred, centred), width)
    spread = square_root(graph, graph.add("Add", variance, graph.constant(float(layer.epsilon))))
    result = graph.add("Div", centred, spread)
    if layer.scale:
        result = graph.add("Mul", result, graph.constant(to_numpy(layer.gamma).reshape(-1)))
    return x.to(back(_shifted(graph, layer, result, (-1,))))


@pointwise(layers.RMSNormalization)
def rms_normalization(graph: Graph, layer: layers.RMSNormalization, x: Tensor, **_: Any) -> Tensor:
    """Write RMSNormalization along the last axes."""
    flat, width, back = _flat(graph, x, _last_axes(x, layer.axis))
    square = mean_of(graph, graph.add("Mul", flat, flat), width)
    spread = square_root(graph, graph.add("Add", square, graph.constant(float(layer.epsilon))))
    scale = graph.constant(to_numpy(layer.scale).reshape(-1))
    return x.to(back(graph.add("Mul", graph.add("Div", flat, spread), scale)))


@pointwise(layers.UnitNormalization)
def unit_normalization(graph: Graph, layer: layers.UnitNormalization, x: Tensor, **_: Any) -> Tensor:
    """Write UnitNormalization along the last axes: to a length of 1."""
    flat, width, back = _flat(graph, x, _last_axes(x, layer.axis))
    square = graph.add("MatMul", graph.add("Mul", flat, flat), graph.constant(np.ones((width, 1))))
    length = square_root(graph, graph.add("Max", square, graph.constant(1e-12)))
    return x.to(back(graph.add("Div", flat, length)))


@over_time(layers.GroupNormalization)
def group_normalization(graph: Graph, layer: layers.GroupNormalization, x: Tensor, **_: Any) -> Tensor:
    """Write GroupNormalization along the features: its statistics are over the timesteps too, if there are any."""
    x.axes(list(range(1, len(x.shape))))
    if x.axes(layer.axis) != [-1]:
        raise NoLowering("has its groups along another axis than the last")
    width = x.size(-1)
    groups = width if layer.groups == -1 else layer.groups
    shape = graph.add("Shape", x.name)
    grouped = graph.reshape(x.name, 0, -1, groups, width // groups)
    grouped = graph.add("Transpose", grouped, perm=[0, 2, 1, 3])
    flat = graph.reshape(grouped, 0, 0, -1)
    centred = graph.add("Sub", flat, _mean_of_all(graph, flat))
    variance = _mean_of_all(graph, graph.add("Mul", centred, centred))
    spread = square_root(graph, graph.add("Add", variance, graph.constant(float(layer.epsilon))))
    result = graph.add("Reshape", graph.add("Div", centred, spread), graph.add("Shape", grouped))
    result = graph.add("Reshape", graph.add("Transpose", result, perm=[0, 2, 1, 3]), shape)
    if layer.scale:
        result = graph.add("Mul", result, graph.constant(to_numpy(layer.gamma)))
    return x.to(_shifted(graph, layer, result, (-1,)))


def _mean_of_all(graph: Graph, x: str) -> str:
    """Average the last axis of [batch, groups, numbers], however many there are."""
    columns = graph.add("Transpose", x, perm=[0, 2, 1])
    shape = graph.slice(graph.add("Shape", columns), 0, 0, 2)
    ones = graph.add("Add", graph.add("ConstantOfShape", shape), graph.constant(1.0))
    total = graph.add("Transpose", sum_over(graph, ones, columns), perm=[0, 2, 1])
    return graph.add("Div", total, graph.cast(graph.slice(shape, 0, 1), "float32"))


def mean_of(graph: Graph, x: str, width: int) -> str:
    """Average the last axis, of `width` numbers, and keep it."""
    return graph.add("MatMul", x, graph.constant(np.full((width, 1), 1 / width)))


def _shifted(graph: Graph, layer: Any, x: str, shape: tuple[int, ...]) -> str:
    return graph.add("Add", x, graph.constant(to_numpy(layer.beta).reshape(shape))) if layer.center else x


def _last_axes(x: Tensor, axes: Any) -> list[int]:
    found = x.axes(axes)
    if found != list(range(-len(found), 0)):
        raise NoLowering(f"normalises along the axes {axes}, not along the last ones")
    return found


def _flat(graph: Graph, x: Tensor, axes: list[int]) -> tuple[str, int, Any]:
    """Make one axis of the last ones; return it, its width, and how to make them again what they were."""
    width = math.prod(x.size(axis) for axis in axes)
    if len(axes) == 1:
        return x.name, width, lambda name: name
    shape = graph.add("Shape", x.name)
    flat = graph.add("Reshape", x.name, graph.concat([graph.slice(shape, 0, 0, -len(axes)), graph.ints([width])], 0))
    return flat, width, lambda name: graph.add("Reshape", name, shape)
