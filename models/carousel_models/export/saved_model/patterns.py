"""What layers without a loop over time write, each found by the last of its operations.

A pattern takes the matcher and a tensor, and gives the Keras tensor that it is, or None where it is something else.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keras import layers

from carousel_models.export.saved_model.graph import Tensor, constant

if TYPE_CHECKING:
    from carousel_models.export.saved_model.matching import Matcher

Pattern = Callable[["Matcher", Tensor], Any]

_POOLING = {"MaxPool": layers.MaxPooling1D, "AvgPool": layers.AveragePooling1D}
_GLOBAL = {"Max": layers.GlobalMaxPooling1D, "Mean": layers.GlobalAveragePooling1D}


def pattern(matcher: "Matcher", tensor: Tensor) -> Any:
    """Match a tensor by the first pattern that is of it; None where none is."""
    for each in _PATTERNS.get(tensor.node.op, ()):
        if (matched := each(matcher, tensor)) is not None:
            return matched
    return None


def _convolution(matcher: "Matcher", tensor: Tensor) -> Any:
    """Match Conv1D: a Conv2D of one row, and around it what pads, adds the bias and spreads a dilation."""
    product, bias = tensor, None
    if tensor.node.op == "BiasAdd":
        product, bias = matcher.source(tensor.inputs[0]), matcher.value(tensor.inputs[1])
    dilation = 1
    same = False
    if product.node.op == "BatchToSpaceND":
        dilation = int(constant(matcher.source(product.inputs[1])).item())
        scope = product.node.name.rpartition("/")[0]
        base = product.frame.nodes.get(f"{scope}/required_space_to_batch_paddings/base_paddings")
        same = base is None or bool(constant(Tensor(product.frame, base.name)).any())
        product = matcher.source(product.inputs[0])
    convolution = matcher.source(product.inputs[0]) if product.node.op == "Squeeze" else product
    if convolution.node.op != "Conv2D" or convolution.node.attr["data_format"].s != b"NHWC":
        return None
    kernel = matcher.value(convolution.inputs[1])
    if kernel is None or len(kernel.shape) != 3:
        return None
    x = matcher.source(matcher.source(convolution.inputs[0]).inputs[0])
    if dilation > 1:
        x = matcher.source(x.inputs[0])
    else:
        dilation = convolution.node.attr["dilations"].list.i[2]
    size = kernel.shape[0]
    padding = "same" if same or convolution.node.attr["padding"].s == b"SAME" else "valid"
    if x.node.op == "Pad" and _padded(matcher, x) == (dilation * (size - 1), 0) != (0, 0):
        padding, x = "causal", x.inputs[0]
    taken = matcher.match(x)
    weights = [kernel] if bias is None else [kernel, bias]
    layer = matcher.layer(
        layers.Conv1D,
        weights,
        filters=kernel.shape[2],
        kernel_size=size,
        strides=convolution.node.attr["strides"].list.i[2],
        padding=padding,
        dilation_rate=dilation,
        groups=taken.shape[-1] // kernel.shape[1],
        use_bias=bias is not None,
    )
    return matcher.called(layer, taken, weights)


def _padded(matcher: "Matcher", pad: Tensor) -> tuple[int, int] | None:
    """Say how many timesteps of zeros stand before and after; None where it pads something else."""
    amounts = constant(matcher.source(pad.inputs[1])).tolist()
    if len(amounts) != 3 or amounts[0] != [0, 0] or amounts[2] != [0, 0]:
        return None
    return amounts[1][0], amounts[1][1]


def _zero_padding(matcher: "Matcher", tensor: Tensor) -> Any:
    padding = _padded(matcher, tensor)
    return None if padding is None else layers.ZeroPadding1D(padding)(matcher.match(tensor.inputs[0]))


def _pooling(matcher: "Matcher", tensor: Tensor) -> Any:
    pool = matcher.source(tensor.inputs[0])
    kind = _POOLING.get(pool.node.op)
    if kind is None or pool.node.attr["data_format"].s != b"NHWC":
        return None
    size, strides = (pool.node.attr[name].list.i[2] for name in ("ksize", "strides"))
    expanded = matcher.source(pool.inputs[0])
    return kind(size, strides, pool.node.attr["padding"].s.decode().lower())(matcher.match(expanded.inputs[0]))


def _global_pooling(matcher: "Matcher", tensor: Tensor) -> Any:
    if constant(matcher.source(tensor.inputs[1])).ravel().tolist() != [1]:
        return None
    taken = matcher.match(tensor.inputs[0])
    return _GLOBAL[tensor.node.op](keepdims=tensor.node.attr["keep_dims"].b)(taken) if len(taken.shape) == 3 else None


def _normalisation(matcher: "Matcher", tensor: Tensor) -> Any:
    """Match x * factor + shift, the factor of a variance: a weight in BatchNormalization, not in LayerNormalization."""
    scaled, shift = map(matcher.source, tensor.inputs)
    if scaled.node.op != "Mul":
        return None
    factor, gamma = matcher.source(scaled.inputs[1]), None
    if factor.node.op == "Mul":
        gamma = matcher.value(factor.inputs[1])
        factor = matcher.source(factor.inputs[0])
    if factor.node.op != "Rsqrt":
        return None
    variance, epsilon = map(matcher.source, matcher.source(factor.inputs[0]).inputs)
    weight = matcher.value(variance)
    if weight is None and (variance.node.op != "Mean" or constant(matcher.source(variance.inputs[1])).tolist() != [-1]):
        return None
    beta = mean = None
    if weight is None and shift.node.op == "AddV2":
        beta = matcher.value(shift.inputs[1])
    elif weight is not None and shift.node.op == "Sub":
        beta, mean = matcher.value(shift.inputs[0]), matcher.source(shift.inputs[1]).inputs[0]
    elif weight is not None:
        mean = matcher.source(shift.inputs[0]).inputs[0]
    weights = [each for each in (gamma, beta) if each is not None]
    if weight is not None:
        assert mean is not None
        weights += [matcher.value(mean), weight]
    kind = layers.LayerNormalization if weight is None else layers.BatchNormalization
    layer = matcher.layer(
        kind,
        weights,
        tensor.node.name,
        epsilon=float(constant(epsilon)),
        center=beta is not None,
        scale=gamma is not None,
    )
    return matcher.called(layer, matcher.match(scaled.inputs[0]), weights)


def _masking(matcher: "Matcher", tensor: Tensor) -> Any:
    """Match Masking: zeros where no feature differs from a value."""
    counts, x, zero = map(matcher.source, tensor.inputs)
    if counts.node.op != "Any" or zero.node.op != "Const" or constant(zero).any():
        return None
    different = matcher.source(counts.inputs[0])
    if different.node.op != "NotEqual" or matcher.source(different.inputs[0]) != x:
        return None
    value = float(constant(matcher.source(different.inputs[1])))
    return layers.Masking(value)(matcher.match(x))


_PATTERNS: dict[str, tuple[Pattern, ...]] = {
    "AddV2": (_normalisation,),
    "BatchToSpaceND": (_convolution,),
    "BiasAdd": (_convolution,),
    "Max": (_global_pooling,),
    "Mean": (_global_pooling,),
    "Pad": (_zero_padding,),
    "SelectV2": (_masking,),
    "Squeeze": (_convolution, _pooling),
}
