"""Layers that make one tensor of several."""

from typing import Any

from keras import layers

from carousel_models.lowering.graph import Graph, NoLowering, NotStepwise
from carousel_models.lowering.registry import over_time, pointwise
from carousel_models.lowering.tensor import Tensor

_MERGED = {layers.Add: "Add", layers.Subtract: "Sub", layers.Multiply: "Mul", layers.Average: "Add"}
_MERGED |= {layers.Maximum: "Max", layers.Minimum: "Min"}


@pointwise(*_MERGED, own_mask=True)
def merge(graph: Graph, layer: Any, tensors: list[Tensor], **_: Any) -> Tensor:
    """Write a layer that merges number by number."""
    rank = max(len(t.shape) for t in tensors)
    names = []
    for tensor in tensors:
        if len(tensor.shape) < rank and graph.stepwise:
            raise NotStepwise("merges tensors of several ranks")
        missing = list(range(1, 1 + rank - len(tensor.shape)))
        names.append(graph.add("Unsqueeze", tensor.name, graph.ints(missing)) if missing else tensor.name)
    result = names[0]
    for name in names[1:]:
        result = graph.add(_MERGED[type(layer)], result, name)
    if type(layer) is layers.Average:
        result = graph.add("Div", result, graph.constant(float(len(names))))
    masks = list(dict.fromkeys(t.mask for t in tensors))
    return tensors[0].to(result, mask="" if "" in masks else _any_of(graph, masks))


@pointwise(layers.Concatenate, own_mask=True)
def concatenate(graph: Graph, layer: layers.Concatenate, tensors: list[Tensor], **_: Any) -> Tensor:
    """Write Concatenate along any axis but the batch's."""
    axis = tensors[0].axis(layer.axis)
    masks = list(dict.fromkeys(t.mask for t in tensors))
    if masks != [""] and axis == 1 - len(tensors[0].shape):
        raise NoLowering("puts masked sequences one after another")
    # A timestep counts where it counts in any of them, and one without a mask counts everywhere.
    mask = "" if "" in masks else _any_of(graph, masks)
    return tensors[0].to(graph.concat([t.name for t in tensors], axis), mask=mask)


@over_time(layers.Dot, own_mask=True)
def dot(graph: Graph, layer: layers.Dot, tensors: list[Tensor], **_: Any) -> Tensor:
    """Write Dot between tensors of rank 2 or 3."""
    if graph.stepwise:
        raise NotStepwise("multiplies timesteps with one another")
    if layer.normalize:
        raise NoLowering("normalises (normalize=True)")
    one, other = tensors
    if len(one.shape) != len(other.shape):
        raise NoLowering("multiplies tensors of several ranks")
    axes = [layer.axes] * 2 if isinstance(layer.axes, int) else list(layer.axes)
    rank = len(one.shape)
    axes = [axis % rank for axis in axes]
    if rank == 2:
        row = graph.add("Unsqueeze", one.name, graph.ints([1]))
        column = graph.add("Unsqueeze", other.name, graph.ints([2]))
        return one.to(graph.add("Squeeze", graph.add("MatMul", row, column), graph.ints([2])), mask="")
    if rank != 3:
        raise NoLowering("multiplies tensors of more than three dimensions")
    left = one.name if axes[0] == 2 else graph.add("Transpose", one.name, perm=[0, 2, 1])
    right = other.name if axes[1] == 1 else graph.add("Transpose", other.name, perm=[0, 2, 1])
    return one.to(graph.add("MatMul", left, right), mask="")


def _any_of(graph: Graph, masks: list[str]) -> str:
    result = masks[0]
    for mask in masks[1:]:
        result = graph.add("Or", result, mask)
    return result
