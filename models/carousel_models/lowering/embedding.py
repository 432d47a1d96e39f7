"""Layers that begin a model of tokens, or say which timesteps count."""

from typing import Any

from keras import layers
from keras.ops import convert_to_numpy as to_numpy

from carousel.artifact import INPUTS
from carousel_models.lowering.graph import Graph, NoLowering
from carousel_models.lowering.registry import pointwise
from carousel_models.lowering.tensor import Tensor


@pointwise(layers.Embedding, own_mask=True)
def embedding(graph: Graph, layer: layers.Embedding, x: Tensor, **_: Any) -> Tensor:
    """Write Embedding: a row of weights for each token, and a mask where 0 does not count."""
    if layer.quantization_mode is not None:
        raise NoLowering(f"is quantised to {layer.quantization_mode}")
    tokens = x.name if x.dtype.startswith("int") else graph.cast(x.name, "int32")
    mask = ""
    if layer.mask_zero:
        zero = graph.cast(graph.ints(0), "int32" if x.dtype == "float32" else x.dtype)
        mask = graph.add("Not", graph.add("Equal", tokens, zero))
        if x.name == INPUTS:
            graph.masks[mask] = 0.0
    return x.to(graph.add("Gather", graph.constant(to_numpy(layer.embeddings)), tokens, axis=0), mask=mask)


@pointwise(layers.Masking, own_mask=True)
def masking(graph: Graph, layer: layers.Masking, x: Tensor, **_: Any) -> Tensor:
    """Write Masking: a timestep whose features all have one value does not count, and becomes zeros."""
    other = graph.cast(graph.add("Not", graph.add("Equal", x.name, graph.constant(float(layer.mask_value)))), "float32")
    counts = graph.cast(graph.add("ReduceMax", other, axes=[-1], keepdims=1), "bool")
    mask = graph.add("Squeeze", counts, graph.ints([-1]))
    if x.name == INPUTS:
        graph.masks[mask] = float(layer.mask_value)
    return x.to(graph.add("Where", counts, x.name, graph.constant(0.0)), mask=mask)
