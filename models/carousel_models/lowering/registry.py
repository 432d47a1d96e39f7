"""Which function writes which Keras layer, and how one is called.

Another layer is another function, under `@pointwise` or `@over_time`, in the file of its family; `all_layers` lists the
files.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
from keras import tree

from carousel_models.lowering.graph import Graph, NoLowering, NotStepwise, Unlowered
from carousel_models.lowering.tensor import Tensor, mask_of

Write = Callable[..., Any]
"""(graph, layer, *args, **kwargs) of the layer's call, tensors as `Tensor`; gives a Tensor, or several in order."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """How a layer is written.

    Attributes:
        write: Writes it.
        pointwise: Whether it treats timesteps apart and counts axes from the end, and so writes the same for every
            layout. If not, it is told which layout by `graph.stepwise`, and gets only tensors that are timewise there.
        at_every_step: Whether it may follow the last timestep of a stepwise graph, where it is applied at every step.
        own_mask: Whether the function says which mask comes with what the layer gives. If not, it is the one that came
            with its first tensor, if the layer supports masking.
    """

    write: Write
    pointwise: bool
    at_every_step: bool
    own_mask: bool


_RULES: dict[object, _Rule] = {}


def pointwise(*keys: object, own_mask: bool = False) -> Callable[[Write], Write]:
    """Register a function for layers, or operations by their names, that keep the timesteps apart."""
    return _register(keys, pointwise=True, at_every_step=True, own_mask=own_mask)


def over_time(*keys: object, at_every_step: bool = True, own_mask: bool = False) -> Callable[[Write], Write]:
    """Register a function for layers, or operations by their names, to which time matters."""
    return _register(keys, pointwise=False, at_every_step=at_every_step, own_mask=own_mask)


def lowered_layers() -> set[object]:
    """List the layers, and the names of the operations, that have a lowering."""
    return set(_RULES)


def write(graph: Graph, operation: keras.Operation, args: Any, kwargs: Any, specs: list[Any]) -> list[Tensor]:
    """Write one call of a layer or operation; return what it gives, shaped as `specs`.

    Raises:
        NotStepwise, NoLowering: Named after the layer.
    """
    missing = graph.missing
    try:
        given = _write(graph, operation, args, kwargs)
        if graph.missing and not missing:
            graph.missing = f"{_describe(operation)}: {graph.missing}"
        return [replace(t, shape=tuple(s.shape), dtype=str(s.dtype)) for t, s in zip(given, specs, strict=False)]
    except Unlowered as reason:
        if reason.named:
            raise
        named = type(reason)(f"{_describe(operation)} {reason}")
        named.named = True
        raise named from reason


def write_inner(graph: Graph, operation: keras.Operation, x: Tensor) -> Tensor:
    """Write a layer that another one holds, on its only input.

    Raises:
        NotStepwise, NoLowering: Named after the inner layer.
    """
    shape = tuple(operation.compute_output_shape(x.shape))
    (given,) = write(graph, operation, (x,), {}, [keras.KerasTensor(shape)])
    return given


def _write(graph: Graph, operation: keras.Operation, args: Any, kwargs: Any) -> list[Tensor]:
    # Looked up by its very type: a subclass of Keras' layer may do anything.
    layer = isinstance(operation, keras.Layer)
    rule = _RULES.get(type(operation) if layer else type(operation).__name__)
    if rule is None or not (layer or type(operation).__module__.startswith("keras.src.ops")):
        raise NoLowering("has no lowering to ONNX")
    tensors = [t for t in tree.flatten((args, kwargs)) if isinstance(t, Tensor)]
    if any(not t.name for t in tensors):
        raise NotStepwise("takes a cell state that only the last timestep has")
    if graph.stepwise and len({t.timewise for t in tensors}) > 1:
        raise NotStepwise("joins a sequence with what is known only at its end")
    if not rule.pointwise and graph.stepwise and not tensors[0].timewise:
        if not rule.at_every_step:
            raise NotStepwise("begins when the sequence has ended")
        return _at_every_step(graph, rule, operation, args, kwargs)
    results = rule.write(graph, operation, *args, **kwargs)
    given = list(results) if isinstance(results, list | tuple) else [results]
    if not rule.own_mask:
        masked = layer and operation.supports_masking
        mask = mask_of(tensors[0], kwargs.get("mask")) if masked else ""
        given = [replace(each, mask=mask) for each in given]
        if rule.pointwise:
            _repeat(graph, given, tensors)
    return given


def _at_every_step(graph: Graph, rule: _Rule, operation: keras.Operation, args: Any, kwargs: Any) -> list[Tensor]:
    """Apply what follows the last timestep at every step: steps and rows become one batch."""
    tensors = [t for t in tree.flatten((args, kwargs)) if isinstance(t, Tensor)]
    both = graph.slice(graph.add("Shape", tensors[0].name), 0, 0, 2)

    def fold(value: Any) -> Any:
        return value.to(fold_batch(graph, value)) if isinstance(value, Tensor) else value

    args, kwargs = tree.map_structure(fold, (args, kwargs))
    graph.stepwise = False
    try:
        results = rule.write(graph, operation, *args, **kwargs)
    finally:
        graph.stepwise = True
    given = list(results) if isinstance(results, list | tuple) else [results]
    given = [each.to(unfold_batch(graph, each.name, both)) for each in given]
    _repeat(graph, given, tensors)
    return given


def _repeat(graph: Graph, given: list[Tensor], tensors: list[Tensor]) -> None:
    for each in given:
        graph.repeat_as(each.name, [t.name for t in tensors])


def fold_batch(graph: Graph, x: Tensor) -> str:
    """Make one dimension of the first two."""
    rest = graph.slice(graph.add("Shape", x.name), 0, 2)
    return graph.add("Reshape", x.name, graph.concat([graph.ints([-1]), rest], 0))


def unfold_batch(graph: Graph, name: str, both: str) -> str:
    """Make two dimensions, `both`, of the first."""
    rest = graph.slice(graph.add("Shape", name), 0, 1)
    return graph.add("Reshape", name, graph.concat([both, rest], 0))


def _describe(operation: keras.Operation) -> str:
    kind = "layer" if isinstance(operation, keras.Layer) else "operation"
    return f"{kind} {operation.name!r} ({type(operation).__name__})"


def _register(keys: tuple[object, ...], **properties: bool) -> Callable[[Write], Write]:
    def register(function: Write) -> Write:
        for key in keys:
            _RULES[key] = _Rule(function, **properties)
        return function

    return register
