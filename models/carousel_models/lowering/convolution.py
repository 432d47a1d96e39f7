"""Convolutions over time. A causal one can be cut: what it carries is its last inputs."""

from typing import Any

import numpy as np
from keras import layers
from keras.ops import convert_to_numpy as to_numpy

from carousel_models.lowering.elementwise import activated
from carousel_models.lowering.graph import Graph, NoLowering, NotStepwise
from carousel_models.lowering.registry import over_time
from carousel_models.lowering.shifted_views import Window, continued, padded, views
from carousel_models.lowering.tensor import Tensor


@over_time(layers.Conv1D)
def conv1d(graph: Graph, layer: layers.Conv1D, x: Tensor, **_: Any) -> Tensor:
    """Write Conv1D: of any padding, stride and dilation, in groups or not."""
    shifted = _views(graph, layer, x)
    kernel = to_numpy(layer.kernel)
    width, filters = kernel.shape[1:]
    if layer.groups == 1:
        parts = [_product(graph, shifted, kernel)]
    else:
        pieces = [graph.split(view, [width] * layer.groups, axis=2) for view in shifted]
        kernels = np.split(kernel, layer.groups, axis=2)
        parts = [_product(graph, [piece[group] for piece in pieces], kernels[group]) for group in range(layer.groups)]
    return _finished(graph, layer, x, graph.concat(parts, -1), filters)


@over_time(layers.DepthwiseConv1D)
def depthwise_conv1d(graph: Graph, layer: layers.DepthwiseConv1D, x: Tensor, **_: Any) -> Tensor:
    """Write DepthwiseConv1D: every feature by kernels of its own."""
    shifted = _views(graph, layer, x)
    result, filters = _depthwise(graph, shifted, to_numpy(layer.kernel))
    return _finished(graph, layer, x, result, filters)


@over_time(layers.SeparableConv1D)
def separable_conv1d(graph: Graph, layer: layers.SeparableConv1D, x: Tensor, **_: Any) -> Tensor:
    """Write SeparableConv1D: every feature by kernels of its own, then all of a timestep together."""
    shifted = _views(graph, layer, x)
    apart, _each = _depthwise(graph, shifted, to_numpy(layer.depthwise_kernel))
    pointwise = to_numpy(layer.pointwise_kernel)
    result = graph.add("MatMul", apart, graph.constant(pointwise[0]))
    return _finished(graph, layer, x, result, pointwise.shape[2])


@over_time(layers.Conv1DTranspose)
def conv1d_transpose(graph: Graph, layer: layers.Conv1DTranspose, x: Tensor, **_: Any) -> Tensor:
    """Write Conv1DTranspose: what every timestep adds to the outputs around it, from the first tap to the last."""
    if graph.stepwise:
        raise NotStepwise("gives more timesteps than it takes")
    if layer.data_format != "channels_last" or _one(layer.dilation_rate) != 1 or layer.output_padding is not None:
        raise NoLowering("is dilated, has an output_padding, or its features before its timesteps")
    size, stride = _one(layer.kernel_size), _one(layer.strides)
    kernel = to_numpy(layer.kernel).transpose(0, 2, 1)  # [size, features, filters]
    filters = kernel.shape[2]
    # Each tap's product stands `stride` apart, with zeros between, and is shifted by its tap.
    longest = size - stride if size > stride else 0
    terms = []
    for tap, weights in enumerate(kernel):
        product = graph.add("MatMul", x.name, graph.constant(weights))
        spread = graph.add("Unsqueeze", product, graph.ints([2]))
        spread = graph.add("Pad", spread, graph.ints([0, 0, 0, 0, 0, 0, stride - 1, 0]))
        spread = graph.reshape(spread, 0, -1, filters)
        after = longest + size - tap
        terms.append(graph.add("Pad", spread, graph.ints([0, tap, 0, 0, after, 0])))
    total = graph.total(terms)
    # Now stride * timesteps + longest + size long; Keras keeps stride * timesteps of it, or the overlap too.
    if layer.padding == "valid":
        total = graph.slice(total, 1, 0, -size)
    else:
        begin = longest // 2
        total = graph.slice(total, 1, begin, begin - longest - size)
    return _finished(graph, layer, x, total, filters)


def _views(graph: Graph, layer: Any, x: Tensor) -> list[str]:
    if layer.data_format != "channels_last":
        raise NoLowering("has its features before its timesteps (channels_first)")
    if getattr(layer, "quantization_mode", None) is not None:
        raise NoLowering(f"is quantised to {layer.quantization_mode}")
    if len(x.shape) != 3:
        raise NoLowering("reads timesteps that are not vectors")
    window = Window(_one(layer.kernel_size), _one(layer.strides), _one(layer.dilation_rate))
    if not graph.stepwise:
        return views(graph, padded(graph, x, window, layer.padding), 1, window)
    if window.stride > 1:
        raise NotStepwise("answers not every timestep (strides above 1)")
    if window.span and layer.padding != "causal":
        raise NotStepwise(f"looks at timesteps to come (padding={layer.padding!r})")
    return views(graph, continued(graph, x, layer.name, window), 0, window)


def _product(graph: Graph, shifted: list[str], kernel: np.ndarray) -> str:
    return graph.add("MatMul", graph.concat(shifted, -1), graph.constant(kernel.reshape(-1, kernel.shape[2])))


def _depthwise(graph: Graph, shifted: list[str], kernel: np.ndarray) -> tuple[str, int]:
    _, width, each = kernel.shape
    if each == 1:
        terms = [graph.add("Mul", view, graph.constant(k[:, 0])) for view, k in zip(shifted, kernel, strict=True)]
        return graph.total(terms), width
    last = graph.ints([-1])
    terms = [
        graph.add("Mul", graph.add("Unsqueeze", view, last), graph.constant(k))
        for view, k in zip(shifted, kernel, strict=True)
    ]
    return graph.reshape(graph.total(terms), 0, 0, width * each), width * each


def _finished(graph: Graph, layer: Any, x: Tensor, result: str, filters: int) -> Tensor:
    if layer.use_bias:
        result = graph.add("Add", result, graph.constant(to_numpy(layer.bias)))
    return activated(graph, layer.activation, x.to(result, shape=(*x.shape[:-1], filters)))


def _one(value: Any) -> int:
    return int(value[0] if isinstance(value, list | tuple) else value)
