"""Layers that treat every timestep alike: activations, scaling, Dense, and what matters in training only."""

from typing import Any

import numpy as np
from keras import layers
from keras.ops import convert_to_numpy as to_numpy

from carousel_models.lowering.activations import activate, elu, leaky_relu, softmax
from carousel_models.lowering.graph import Graph, NoLowering, NotStepwise
from carousel_models.lowering.registry import pointwise, write_inner
from carousel_models.lowering.tensor import Tensor, mask_of


@pointwise(
    layers.ActivityRegularization,
    layers.AlphaDropout,
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.Identity,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
)
def nothing(_graph: Graph, _layer: Any, x: Tensor, **_: Any) -> Tensor:
    """Write a layer that matters in training only."""
    return x


def activated(graph: Graph, function: Any, x: Tensor) -> Tensor:
    """Write an activation, which may be a layer of its own."""
    if isinstance(function, layers.Layer):
        return write_inner(graph, function, x)
    return x.to(activate(graph, function, x.name))


@pointwise(layers.Activation)
def activation(graph: Graph, layer: layers.Activation, x: Tensor, **_: Any) -> Tensor:
    """Write any activation."""
    return activated(graph, layer.activation, x)


@pointwise(layers.ELU)
def elu_layer(graph: Graph, layer: layers.ELU, x: Tensor, **_: Any) -> Tensor:
    """Write ELU with its own slope below zero."""
    return x.to(elu(graph, x.name, float(layer.alpha)))


@pointwise(layers.LeakyReLU)
def leaky_relu_layer(graph: Graph, layer: layers.LeakyReLU, x: Tensor, **_: Any) -> Tensor:
    """Write LeakyReLU with its own slope below zero."""
    return x.to(leaky_relu(graph, x.name, float(layer.negative_slope)))


@pointwise(layers.PReLU)
def prelu(graph: Graph, layer: layers.PReLU, x: Tensor, **_: Any) -> Tensor:
    """Write PReLU: a slope below zero for every feature."""
    if not layer.built:
        raise NoLowering("was never built: call the model once")
    alpha = to_numpy(layer.alpha)
    if x.timewise:
        if alpha.ndim > 1 and alpha.shape[0] > 1:
            raise NotStepwise("has another slope for every timestep")
        alpha = alpha.reshape(alpha.shape[1:])
    return x.to(graph.add("PRelu", x.name, graph.constant(alpha)))


@pointwise(layers.ReLU)
def relu(graph: Graph, layer: layers.ReLU, x: Tensor, **_: Any) -> Tensor:
    """Write ReLU with its slope below a threshold, and its cap."""
    slope, threshold = float(layer.negative_slope or 0.0), float(layer.threshold or 0.0)
    if threshold:
        below = graph.add("Sub", x.name, graph.constant(threshold))
        above = graph.add("Greater", x.name, graph.constant(threshold))
        result = graph.add("Where", above, x.name, graph.add("Mul", below, graph.constant(slope)))
    else:
        result = leaky_relu(graph, x.name, slope)
    return x.to(result if layer.max_value is None else graph.add("Min", result, graph.constant(layer.max_value)))


@pointwise(layers.Softmax)
def softmax_layer(graph: Graph, layer: layers.Softmax, x: Tensor, mask: Any = None, **_: Any) -> Tensor:
    """Write softmax along an axis of the features."""
    axes = x.axes(layer.axis)
    if len(axes) > 1:
        raise NoLowering("works along several axes")
    if mask_of(x, mask):
        raise NoLowering("takes a mask")
    return x.to(softmax(graph, x.name, axes[0]))


@pointwise(layers.Rescaling)
def rescaling(graph: Graph, layer: layers.Rescaling, x: Tensor, **_: Any) -> Tensor:
    """Write x * scale + offset."""
    scale, offset = (np.asarray(values, np.float32) for values in (layer.scale, layer.offset))
    if x.timewise and any(v.ndim >= len(x.shape) - 1 and v.shape[1 - len(x.shape)] > 1 for v in (scale, offset)):
        raise NotStepwise("has another scale for every timestep")
    return x.to(graph.add("Add", graph.add("Mul", x.name, graph.constant(scale)), graph.constant(offset)))


@pointwise(layers.Normalization)
def normalization(graph: Graph, layer: layers.Normalization, x: Tensor, **_: Any) -> Tensor:
    """Write Normalization with the mean and the variance that it has seen."""
    mean, variance = (np.asarray(values, np.float32) for values in (layer.mean, layer.variance))
    if mean.ndim == len(x.shape):
        mean, variance = mean[0], variance[0]
    if x.timewise and mean.ndim == len(x.shape) - 1:
        if mean.shape[0] > 1:
            raise NotStepwise("has another mean for every timestep")
        mean, variance = mean[0], variance[0]
    spread = graph.constant(np.maximum(np.sqrt(variance), np.float32(1e-7)))
    if layer.invert:
        return x.to(graph.add("Add", graph.add("Mul", x.name, spread), graph.constant(mean)))
    return x.to(graph.add("Div", graph.add("Sub", x.name, graph.constant(mean)), spread))


@pointwise(layers.Dense)
def dense(graph: Graph, layer: layers.Dense, x: Tensor, **_: Any) -> Tensor:
    """Write Dense along the last axis."""
    if layer.quantization_mode is not None:
        raise NoLowering(f"is quantised to {layer.quantization_mode}")
    result = graph.add("MatMul", x.name, graph.constant(to_numpy(layer.kernel)))
    if layer.use_bias:
        result = graph.add("Add", result, graph.constant(to_numpy(layer.bias)))
    shape = (*x.shape[:-1], layer.units)
    return activated(graph, layer.activation, x.to(result, shape=shape))


@pointwise(layers.EinsumDense)
def einsum_dense(graph: Graph, layer: layers.EinsumDense, x: Tensor, **_: Any) -> Tensor:
    """Write EinsumDense where it is a Dense: the last axis with a matrix."""
    if layer.quantization_mode is not None:
        raise NoLowering(f"is quantised to {layer.quantization_mode}")
    taken, rest = layer.equation.replace(" ", "").replace("...", "").split(",")
    kernel, given = rest.split("->")
    plain = len(kernel) == 2 and kernel[0] == taken[-1] and given == taken[:-1] + kernel[1]
    bias = None if layer.bias is None else to_numpy(layer.bias)
    if not plain or (bias is not None and bias.ndim != 1):
        raise NoLowering(f"sums by the equation {layer.equation!r}")
    result = graph.add("MatMul", x.name, graph.constant(to_numpy(layer.kernel)))
    if bias is not None:
        result = graph.add("Add", result, graph.constant(bias))
    return activated(graph, layer.activation, x.to(result, shape=(*x.shape[:-1], layer.kernel.shape[1])))
