"""Layers that hold another layer."""

from typing import Any

from keras import layers

from carousel_models.lowering.graph import Graph
from carousel_models.lowering.registry import fold_batch, over_time, pointwise, unfold_batch, write_inner
from carousel_models.lowering.tensor import Tensor


@over_time(layers.TimeDistributed)
def time_distributed(graph: Graph, layer: layers.TimeDistributed, x: Tensor, **_: Any) -> Tensor:
    """Write TimeDistributed: timesteps and rows become one batch for the layer it holds."""
    both = graph.slice(graph.add("Shape", x.name), 0, 0, 2)
    inner = x.to(fold_batch(graph, x), shape=(None, *x.shape[2:]), timewise=False, mask="")
    stepwise, graph.stepwise = graph.stepwise, False
    try:
        given = write_inner(graph, layer.layer, inner)
    finally:
        graph.stepwise = stepwise
    answer = unfold_batch(graph, given.name, both)
    graph.repeat_as(answer, [x.name])
    return x.to(answer)


@pointwise(layers.SpectralNormalization)
def spectral_normalization(graph: Graph, layer: layers.SpectralNormalization, x: Tensor, **_: Any) -> Tensor:
    """Write the layer inside: its kernel was normalised in training."""
    return write_inner(graph, layer.layer, x)
