"""Attention of every kind that Keras has: over whole sequences."""

import math
from typing import Any

import numpy as np
from keras import layers
from keras.ops import convert_to_numpy as to_numpy

from carousel_models.lowering.activations import softmax
from carousel_models.lowering.graph import Graph, NoLowering, NotStepwise
from carousel_models.lowering.registry import over_time
from carousel_models.lowering.tensor import Tensor, mask_of


@over_time(layers.Attention, layers.AdditiveAttention, own_mask=True)
def attention(
    graph: Graph,
    layer: layers.Attention,
    inputs: list[Tensor],
    mask: Any = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
    **_: Any,
) -> Any:
    """Write Attention by dot products or by sums, and AdditiveAttention."""
    _check(graph, *inputs)
    query, value, key = inputs[0], inputs[1], inputs[-1]
    query_mask, value_mask = (mask_of(t, m) for t, m in zip(inputs[:2], mask or [None, None], strict=False))
    scores = _scores(graph, layer, query, key)
    counts = _all_of(
        graph,
        graph.add("Unsqueeze", value_mask, graph.ints([1])) if value_mask else "",
        _causal(graph, scores) if use_causal_mask else "",
    )
    if counts:
        scores = graph.add("Where", counts, scores, graph.add("Sub", scores, graph.constant(1e9)))
    weights = softmax(graph, scores)
    result = graph.add("MatMul", weights, value.name)
    if query_mask:
        kept = graph.add("Unsqueeze", query_mask, graph.ints([2]))
        result = graph.add("Where", kept, result, graph.constant(0.0))
    given = query.to(result, mask=query_mask)
    return [given, query.to(weights, mask="")] if return_attention_scores else given


@over_time(layers.MultiHeadAttention, layers.GroupQueryAttention, own_mask=True)
def multi_head_attention(
    graph: Graph,
    layer: Any,
    query: Tensor,
    value: Tensor,
    key: Tensor | None = None,
    query_mask: Any = None,
    value_mask: Any = None,
    key_mask: Any = None,
    attention_mask: Any = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
    **_: Any,
) -> Any:
    """Write MultiHeadAttention and GroupQueryAttention, over the axis of time."""
    _check(graph, query, value, *([key] if key is not None else []))
    grouped = type(layer) is layers.GroupQueryAttention
    window = layer.sliding_window if grouped else layer._sliding_window  # noqa: SLF001 - Keras shows it nowhere else
    gate = layer.use_gate if grouped else layer._use_gate  # noqa: SLF001 - as above
    if attention_mask is not None or window is not None:
        raise NoLowering("takes a mask of timesteps by timesteps, or a sliding window")
    if not grouped and tuple(layer._attention_axes) != (1,):  # noqa: SLF001 - as above
        raise NoLowering("attends along other axes than that of time")
    q, k, v = (
        _heads(graph, dense, tensor)
        for dense, tensor in (
            (layer._query_dense, query),  # noqa: SLF001 - as above
            (layer._key_dense, value if key is None else key),  # noqa: SLF001 - as above
            (layer._value_dense, value),  # noqa: SLF001 - as above
        )
    )
    if grouped and layer.num_repeats > 1:
        k, v = (_repeated(graph, heads, layer.num_repeats, layer.head_dim) for heads in (k, v))
    size = layer.head_dim if grouped else layer.key_dim
    q = graph.add("Mul", q, graph.constant(1 / math.sqrt(size)))
    query_mask, value_mask = mask_of(query, query_mask), mask_of(value, value_mask)
    key_mask = mask_of(key, key_mask) if key is not None else ""
    scores = graph.add("MatMul", q, graph.add("Transpose", k, perm=[0, 1, 3, 2]))
    counts = _all_of(
        graph,
        *(
            graph.add("Unsqueeze", mask, graph.ints(axes))
            for mask, axes in ((query_mask, [1, 3]), (value_mask, [1, 2]), (key_mask, [1, 2]))
            if mask
        ),
        _causal(graph, scores) if use_causal_mask else "",
    )
    if counts:
        scores = graph.add("Where", counts, scores, graph.constant(-1e9))
    weights = softmax(graph, scores)
    if counts and (return_attention_scores or layer.dropout > 0):
        # Keras' explicit form gives nothing to a row that attends to nothing; its fused one attends to all alike.
        weights = graph.add("Where", counts, weights, graph.constant(0.0))
    mixed = graph.add("Transpose", graph.add("MatMul", weights, v), perm=[0, 2, 1, 3])
    if gate:
        opened = graph.add("Sigmoid", _projected(graph, layer._gate_dense, query))  # noqa: SLF001 - as above
        mixed = graph.add("Mul", mixed, opened)
    kernel = to_numpy(layer._output_dense.kernel)  # noqa: SLF001 - as above
    result = graph.reshape(mixed, 0, 0, kernel.shape[0] * kernel.shape[1])
    result = graph.add("MatMul", result, graph.constant(kernel.reshape(kernel.shape[0] * kernel.shape[1], -1)))
    if kernel.ndim != 3:
        raise NoLowering("gives features of several axes")
    if layer._output_dense.bias is not None:  # noqa: SLF001 - as above
        result = graph.add("Add", result, graph.constant(to_numpy(layer._output_dense.bias)))  # noqa: SLF001 - as above
    given = query.to(result, mask=query_mask)
    # Keras takes the masks away from what it was called on: later layers do not see them.
    for tensor in (query, value, *([key] if key is not None else [])):
        tensor.mask = ""
    return [given, query.to(weights)] if return_attention_scores else given


def _scores(graph: Graph, layer: Any, query: Tensor, key: Tensor) -> str:
    additive = type(layer) is layers.AdditiveAttention
    if not additive and layer.score_mode == "dot":
        scores = graph.add("MatMul", query.name, graph.add("Transpose", key.name, perm=[0, 2, 1]))
        return scores if layer.scale is None else graph.add("Mul", scores, graph.constant(to_numpy(layer.scale)))
    left = graph.add("Unsqueeze", query.name, graph.ints([2]))
    both = graph.add("Add", left, graph.add("Unsqueeze", key.name, graph.ints([1])))
    weights = np.ones((query.size(-1), 1), np.float32)
    if additive:
        weights = weights if layer.scale is None else to_numpy(layer.scale).reshape(-1, 1)
    else:
        both = both if layer.scale is None else graph.add("Mul", both, graph.constant(to_numpy(layer.scale)))
        weights = weights * to_numpy(layer.concat_score_weight)
    summed = graph.add("MatMul", graph.add("Tanh", both), graph.constant(weights))
    return graph.add("Squeeze", summed, graph.ints([3]))


def _check(graph: Graph, *tensors: Tensor) -> None:
    if graph.stepwise:
        raise NotStepwise("attends to all timesteps at once")
    if any(len(t.shape) != 3 for t in tensors):
        raise NoLowering("attends to more than a sequence of vectors")


def _projected(graph: Graph, dense: Any, x: Tensor) -> str:
    kernel = to_numpy(dense.kernel)
    width, heads, size = kernel.shape
    result = graph.add("MatMul", x.name, graph.constant(kernel.reshape(width, heads * size)))
    if dense.bias is not None:
        result = graph.add("Add", result, graph.constant(to_numpy(dense.bias).reshape(-1)))
    return graph.reshape(result, 0, 0, heads, size)


def _heads(graph: Graph, dense: Any, x: Tensor) -> str:
    return graph.add("Transpose", _projected(graph, dense, x), perm=[0, 2, 1, 3])


def _repeated(graph: Graph, heads: str, times: int, size: int) -> str:
    """Give every head [batch, heads, timesteps, size] several times, one after another."""
    each = graph.add("Tile", graph.add("Unsqueeze", heads, graph.ints([2])), graph.ints([1, 1, times, 1, 1]))
    shape = graph.add("Shape", heads)
    target = [graph.slice(shape, 0, 0, 1), graph.ints([-1]), graph.slice(shape, 0, 2, 3), graph.ints([size])]
    return graph.add("Reshape", each, graph.concat(target, 0))


def _causal(graph: Graph, scores: str) -> str:
    """Say which timesteps stand no later: bool [timesteps, timesteps]."""
    size = graph.slice(graph.add("Shape", scores), 0, -2)
    ones = graph.add("Expand", graph.ints([[1]]), size)
    row, column = (graph.add("CumSum", ones, graph.ints(axis)) for axis in (0, 1))
    return graph.add("GreaterOrEqual", row, column)


def _all_of(graph: Graph, *masks: str) -> str:
    given = [mask for mask in masks if mask]
    result = given[0] if given else ""
    for mask in given[1:]:
        result = graph.add("And", result, mask)
    return result
