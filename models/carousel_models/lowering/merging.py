"""Layers that make one tensor of several."""

from typing import Any

from keras import layers

from carousel_models.lowering.graph import Graph, NoLowering, NotStepwise
from carousel_models.lowering.masks import hold
from carousel_models.lowering.registry import over_time, pointwise
from carousel_models.lowering.tensor import Tensor

_MERGED = {layers.Add: "Add", layers.Subtract: "Sub", layers.Multiply: "Mul", layers.Average: "Add"}
_MERGED |= {layers.Maximum: "Max", layers.Minimum: "Min"}


@pointwise(*_MERGED, own_mask=True)
def merge(graph: Graph, layer: Any, tensors: list[Tensor], **_: Any) -> Tensor:
    """Write a layer that merges number by number."""
    kind = type(layer)
    masks = list(dict.fromkeys(t.mask for t in tensors))
    mask = "" if "" in masks else _any_of(graph, masks)
    names = _of_one_rank(graph, tensors)
    if masks != [""] and kind in _MASKED:
        return tensors[0].to(_MASKED[kind](graph, _MERGED[kind], names, [t.mask for t in tensors], mask), mask=mask)
    result = names[0]
    for name in names[1:]:
        result = graph.add(_MERGED[kind], result, name)
    if kind is layers.Average:
        result = graph.add("Div", result, graph.constant(float(len(names))))
    return tensors[0].to(result, mask=mask)


def _of_one_rank(graph: Graph, tensors: list[Tensor]) -> list[str]:
    rank = max(len(t.shape) for t in tensors)
    if all(len(t.shape) == rank for t in tensors):
        return [t.name for t in tensors]
    if graph.stepwise:
        raise NotStepwise("merges tensors of several ranks")
    if any(t.mask for t in tensors):
        raise NoLowering("merges masked tensors of several ranks")
    missing = [list(range(1, 1 + rank - len(t.shape))) for t in tensors]
    return [
        graph.add("Unsqueeze", t.name, graph.ints(axes)) if axes else t.name
        for t, axes in zip(tensors, missing, strict=True)
    ]


def _masked_product(graph: Graph, operation: str, names: list[str], masks: list[str], mask: str) -> str:
    """Multiply what counts alone; zeros where nothing does."""
    one = graph.constant(1.0)
    factors = [hold(graph, name, m, one) if m else name for name, m in zip(names, masks, strict=True)]
    result = factors[0]
    for factor in factors[1:]:
        result = graph.add(operation, result, factor)
    return hold(graph, result, mask) if mask else result


def _masked_extreme(graph: Graph, operation: str, names: list[str], masks: list[str], _mask: str) -> str:
    """Take the largest or least of what counts: a tensor gives way to the others where it does not."""
    result, so_far = names[0], masks[0]
    for name, mask in zip(names[1:], masks[1:], strict=True):
        other = hold(graph, name, mask, result) if mask else name
        kept = hold(graph, result, so_far, other) if so_far else result
        result = graph.add(operation, kept, other)
        so_far = graph.add("Or", so_far, mask) if so_far and mask else ""
    return result


_MASKED = {layers.Multiply: _masked_product, layers.Maximum: _masked_extreme, layers.Minimum: _masked_extreme}


@pointwise(layers.Concatenate, own_mask=True)
def concatenate(graph: Graph, layer: layers.Concatenate, tensors: list[Tensor], **_: Any) -> Tensor:
    """Write Concatenate along any axis but the batch's."""
    axis = tensors[0].axis(layer.axis)
    masks = list(dict.fromkeys(t.mask for t in tensors))
    if masks != [""] and axis == 1 - len(tensors[0].shape):
        raise NoLowering("puts masked sequences one after another")
    # A timestep counts where it counts in any of them, and one without a mask counts everywhere.
    mask = "" if "" in masks else _any_of(graph, masks)
    names = [t.name for t in tensors]
    joined = graph.concat(names, axis)
    graph.repeat_as(joined, names)
    return tensors[0].to(joined, mask=mask)


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
