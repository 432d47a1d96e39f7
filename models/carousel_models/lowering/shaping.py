"""Layers that change where numbers stand: their order, their shape, how often they are there."""

import math
from typing import Any

from keras import layers

from carousel_models.lowering.graph import Graph, NotStepwise
from carousel_models.lowering.registry import over_time
from carousel_models.lowering.tensor import Tensor


@over_time(layers.Flatten)
def flatten(graph: Graph, layer: layers.Flatten, x: Tensor, **_: Any) -> Tensor:
    """Write Flatten."""
    _whole(graph, "needs all timesteps at once")
    if layer.data_format == "channels_first" and len(x.shape) > 2:
        x = x.to(graph.add("Transpose", x.name, perm=[0, *range(2, len(x.shape)), 1]))
    return x.to(x.name if len(x.shape) == 2 else graph.reshape(x.name, 0, -1))


@over_time(layers.Reshape)
def reshape(graph: Graph, layer: layers.Reshape, x: Tensor, **_: Any) -> Tensor:
    """Write Reshape; a stepwise one keeps the timesteps as they are."""
    target = [int(size) for size in layer.target_shape]
    if graph.stepwise:
        same = x.shape[1] is not None and target[0] == x.shape[1]
        if not same or math.prod(target[1:]) != math.prod(x.size(axis) for axis in range(2, len(x.shape))):
            raise NotStepwise("makes other timesteps of the sequence's")
        return x.to(graph.reshape(x.name, 0, 0, *target[1:]))
    return x.to(graph.reshape(x.name, 0, *target))


@over_time(layers.Permute)
def permute(graph: Graph, layer: layers.Permute, x: Tensor, **_: Any) -> Tensor:
    """Write Permute; a stepwise one keeps the timesteps where they are."""
    if graph.stepwise and layer.dims[0] != 1:
        raise NotStepwise("makes features of timesteps")
    return x.to(graph.add("Transpose", x.name, perm=[0, *layer.dims]))


@over_time(layers.RepeatVector, at_every_step=False)
def repeat_vector(graph: Graph, layer: layers.RepeatVector, x: Tensor, **_: Any) -> Tensor:
    """Write RepeatVector."""
    times = graph.ints([1, int(layer.n), 1])
    return x.to(graph.add("Tile", graph.add("Unsqueeze", x.name, graph.ints([1])), times))


@over_time(layers.UpSampling1D)
def up_sampling(graph: Graph, layer: layers.UpSampling1D, x: Tensor, **_: Any) -> Tensor:
    """Write UpSampling1D: every timestep several times."""
    _whole(graph, "gives more timesteps than it takes")
    size, width = int(layer.size), x.size(-1)
    repeated = graph.add("Tile", graph.add("Unsqueeze", x.name, graph.ints([2])), graph.ints([1, 1, size, 1]))
    return x.to(graph.reshape(repeated, 0, -1, width))


@over_time(layers.Cropping1D)
def cropping(graph: Graph, layer: layers.Cropping1D, x: Tensor, **_: Any) -> Tensor:
    """Write Cropping1D."""
    _whole(graph, "gives fewer timesteps than it takes")
    before, after = layer.cropping
    return x.to(graph.slice(x.name, 1, before, -after if after else None))


@over_time(layers.ZeroPadding1D)
def zero_padding(graph: Graph, layer: layers.ZeroPadding1D, x: Tensor, **_: Any) -> Tensor:
    """Write ZeroPadding1D."""
    _whole(graph, "gives more timesteps than it takes")
    before, after = layer.padding
    return x.to(graph.add("Pad", x.name, graph.ints([0, before, 0, 0, after, 0])))


def _whole(graph: Graph, reason: str) -> None:
    if graph.stepwise:
        raise NotStepwise(reason)
