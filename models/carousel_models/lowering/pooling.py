"""Pooling over time, in windows and over all of it."""

from typing import Any

from keras import layers

from carousel_models.lowering.graph import Graph, NoLowering, NotStepwise
from carousel_models.lowering.registry import over_time
from carousel_models.lowering.shifted_views import Window, padded, views
from carousel_models.lowering.tensor import Tensor, mask_of


@over_time(layers.MaxPooling1D)
def max_pooling(graph: Graph, layer: layers.MaxPooling1D, x: Tensor, **_: Any) -> Tensor:
    """Write MaxPooling1D."""
    window = _window(graph, layer)
    shifted = views(graph, padded(graph, x, window, layer.padding, float("-inf")), 1, window)
    return x.to(shifted[0] if len(shifted) == 1 else graph.add("Max", *shifted))


@over_time(layers.AveragePooling1D)
def average_pooling(graph: Graph, layer: layers.AveragePooling1D, x: Tensor, **_: Any) -> Tensor:
    """Write AveragePooling1D: what padding adds does not count."""
    window = _window(graph, layer)
    total = graph.total(views(graph, padded(graph, x, window, layer.padding), 1, window))
    if layer.padding == "valid":
        return x.to(graph.add("Div", total, graph.constant(float(window.size))))
    first = graph.slice(graph.slice(x.name, 0, 0, 1), 2, 0, 1)
    ones = x.to(graph.add("Add", graph.add("Mul", first, graph.constant(0.0)), graph.constant(1.0)))
    count = graph.total(views(graph, padded(graph, ones, window, layer.padding), 1, window))
    return x.to(graph.add("Div", total, count))


@over_time(layers.GlobalMaxPooling1D)
def global_max_pooling(graph: Graph, layer: layers.GlobalMaxPooling1D, x: Tensor, **_: Any) -> Tensor:
    """Write GlobalMaxPooling1D."""
    _needs_all(graph, layer)
    return x.to(graph.add("ReduceMax", x.name, axes=[1], keepdims=int(layer.keepdims)))


@over_time(layers.GlobalAveragePooling1D, own_mask=True)
def global_average_pooling(
    graph: Graph, layer: layers.GlobalAveragePooling1D, x: Tensor, mask: Any = None, **_: Any
) -> Tensor:
    """Write GlobalAveragePooling1D: of the timesteps that count."""
    _needs_all(graph, layer)
    if masked := mask_of(x, mask):
        ones = graph.cast(masked, "float32")
        kept = graph.add("Where", graph.add("Unsqueeze", masked, graph.ints([2])), x.name, graph.constant(0.0))
    else:
        ones, kept = ones_of(graph, x), x.name
    average = graph.add(
        "Div", sum_over(graph, ones, kept), sum_over(graph, ones, graph.add("Unsqueeze", ones, graph.ints([2])))
    )
    return x.to(average if layer.keepdims else graph.add("Squeeze", average, graph.ints([1])), mask="")


@over_time(layers.AdaptiveAveragePooling1D, layers.AdaptiveMaxPooling1D)
def adaptive_pooling(graph: Graph, layer: Any, x: Tensor, **_: Any) -> Tensor:
    """Write adaptive pooling of a fixed number of timesteps: into parts of about equal length."""
    _needs_all(graph, layer)
    timesteps, (parts,) = x.size(1), layer.output_size
    pieces = []
    for i in range(parts):
        piece = graph.slice(x.name, 1, i * timesteps // parts, -(-(i + 1) * timesteps // parts))
        if type(layer) is layers.AdaptiveMaxPooling1D:
            pieces.append(graph.add("ReduceMax", piece, axes=[1], keepdims=1))
        else:
            ones = ones_of(graph, x.to(piece))
            count = sum_over(graph, ones, graph.add("Unsqueeze", ones, graph.ints([2])))
            pieces.append(graph.add("Div", sum_over(graph, ones, piece), count))
    return x.to(graph.concat(pieces, 1))


def ones_of(graph: Graph, x: Tensor) -> str:
    """Give [batch, timesteps] of ones."""
    size = graph.slice(graph.add("Shape", x.name), 0, 0, 2)
    zeros = graph.add("ConstantOfShape", size)
    return graph.add("Add", zeros, graph.constant(1.0))


def sum_over(graph: Graph, weights: str, x: str) -> str:
    """Sum [batch, timesteps, features] by weights [batch, timesteps] to [batch, 1, features].

    By a matrix product: ONNX Runtime's ReduceSum may give other bits to other batches.
    """
    return graph.add("MatMul", graph.add("Unsqueeze", weights, graph.ints([1])), x)


def _window(graph: Graph, layer: Any) -> Window:
    if graph.stepwise:
        raise NotStepwise("pools over windows of timesteps")
    _channels_last(layer)
    size, stride = (int(v[0] if isinstance(v, list | tuple) else v) for v in (layer.pool_size, layer.strides))
    return Window(size, stride)


def _needs_all(graph: Graph, layer: Any) -> None:
    if graph.stepwise:
        raise NotStepwise("needs all timesteps at once")
    _channels_last(layer)


def _channels_last(layer: Any) -> None:
    if layer.data_format != "channels_last":
        raise NoLowering("has its features before its timesteps (channels_first)")
