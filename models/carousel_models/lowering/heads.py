"""Layers that keep the timesteps apart, in ONNX: what stands before, between and after the LSTMs."""

from collections.abc import Callable

import keras
import numpy as np
from keras import activations, layers
from keras.ops import convert_to_numpy as to_numpy

from carousel_models.lowering.activations import activate, elu, leaky_relu
from carousel_models.lowering.graph import Graph, NoPlan


def lower_head(graph: Graph, layer: keras.layers.Layer, x: str) -> str:
    """Add a layer of a `Stack` that is no LSTM; return its result's name.

    Raises:
        NoPlan: The layer has no exact form in ONNX.
    """
    return _LOWERED[type(layer)](graph, layer, x)


def _dense(graph: Graph, layer: keras.layers.Dense, x: str) -> str:
    kernel, *bias = layer.get_weights()
    x = graph.add("MatMul", x, graph.constant(kernel))
    if bias:
        x = graph.add("Add", x, graph.constant(bias[0]))
    return activate(graph, layer.activation, x, f"layer {layer.name!r}")


def _activation(graph: Graph, layer: keras.layers.Activation, x: str) -> str:
    return activate(graph, layer.activation, x, f"layer {layer.name!r}")


def _relu(graph: Graph, layer: keras.layers.ReLU, x: str) -> str:
    if layer.threshold:
        raise NoPlan(f"layer {layer.name!r}: ReLU with a threshold has no ONNX form here")
    x = leaky_relu(graph, x, float(layer.negative_slope))
    return x if layer.max_value is None else graph.add("Min", x, graph.constant(layer.max_value))


def _batch_normalization(graph: Graph, layer: keras.layers.BatchNormalization, x: str) -> str:
    mean, variance = to_numpy(layer.moving_mean), to_numpy(layer.moving_variance)
    gamma = to_numpy(layer.gamma) if layer.scale else np.float32(1)
    factor = gamma / np.sqrt(variance + np.float32(layer.epsilon))
    x = graph.add("Mul", graph.add("Sub", x, graph.constant(mean)), graph.constant(factor))
    return graph.add("Add", x, graph.constant(to_numpy(layer.beta))) if layer.center else x


def _layer_normalization(graph: Graph, layer: keras.layers.LayerNormalization, x: str) -> str:
    if layer.get_config().get("rms_scaling"):
        raise NoPlan(f"layer {layer.name!r}: LayerNormalization with rms_scaling has no ONNX form here")
    # Not ONNX's own operation: older ONNX Runtimes take the variance as a difference of squares and lose digits, and
    # their sums follow the address of a row. A matrix product with 1 / width does neither.
    width = layer.get_build_config()["input_shape"][-1]
    average = graph.constant(np.full((width, 1), 1 / width))
    x = graph.add("Sub", x, graph.add("MatMul", x, average))
    variance = graph.add("MatMul", graph.add("Mul", x, x), average)
    spread = graph.add("Pow", graph.add("Add", variance, graph.constant(layer.epsilon)), graph.constant(0.5))
    x = graph.add("Div", x, spread)
    if layer.scale:
        x = graph.add("Mul", x, graph.constant(to_numpy(layer.gamma)))
    return graph.add("Add", x, graph.constant(to_numpy(layer.beta))) if layer.center else x


def _normalization(graph: Graph, layer: keras.layers.Normalization, x: str) -> str:
    mean = to_numpy(layer.mean).reshape(-1)
    spread = np.maximum(np.sqrt(to_numpy(layer.variance).reshape(-1)), keras.config.epsilon())
    if layer.invert:
        return graph.add("Add", graph.add("Mul", x, graph.constant(spread)), graph.constant(mean))
    return graph.add("Div", graph.add("Sub", x, graph.constant(mean)), graph.constant(spread))


def _rescaling(graph: Graph, layer: keras.layers.Rescaling, x: str) -> str:
    return graph.add("Add", graph.add("Mul", x, graph.constant(layer.scale)), graph.constant(layer.offset))


def _softmax(graph: Graph, _: keras.layers.Softmax, x: str) -> str:
    return activate(graph, activations.softmax, x, "")


_LOWERED: dict[type[keras.layers.Layer], Callable[[Graph, keras.layers.Layer, str], str]] = {
    layers.Activation: _activation,
    layers.BatchNormalization: _batch_normalization,
    layers.Dense: _dense,
    layers.ELU: lambda graph, layer, x: elu(graph, x, float(layer.alpha)),
    layers.LayerNormalization: _layer_normalization,
    layers.LeakyReLU: lambda graph, layer, x: leaky_relu(graph, x, float(layer.negative_slope)),
    layers.Normalization: _normalization,
    layers.ReLU: _relu,
    layers.Rescaling: _rescaling,
    layers.Softmax: _softmax,
}
