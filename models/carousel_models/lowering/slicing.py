"""Operations of keras.ops that change where numbers stand: slices, axes, shapes."""

import math
from typing import Any

from carousel_models.lowering.graph import Graph, NoLowering, NotStepwise
from carousel_models.lowering.registry import over_time, pointwise
from carousel_models.lowering.tensor import Tensor


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


@over_time("Flip")
def flip(graph: Graph, operation: Any, x: Tensor) -> Tensor:
    """Write flip along features, or in a whole graph along the timesteps."""
    axes = [-len(x.shape)] if operation.axis is None else x.axes(operation.axis)
    if -len(x.shape) in axes:
        raise NoLowering("turns the batch round")
    if graph.stepwise and 1 - len(x.shape) in axes:
        raise NotStepwise("reads the sequence from its end")
    last, before = graph.ints([-1] * len(axes)), graph.ints([-(2**31)] * len(axes))
    return x.to(graph.add("Slice", x.name, last, before, graph.ints(axes), last))


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
