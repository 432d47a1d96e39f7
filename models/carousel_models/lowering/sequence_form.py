"""Keras layers rebuilt so that each answers every timestep and knows only the timesteps so far."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

_Layers = list[keras.layers.Layer]


class RidesWhole(Exception):
    """No error: the model is served, but not in chunks. Says which layer needs the whole sequence and why."""


def sequence_form(layer: keras.layers.Layer, rank: int, width: int) -> _Layers:
    """Rebuild one layer with its weights.

    Args:
        layer: A layer of the user's model; it is not changed.
        rank: 3 where the layer took [batch, timesteps, width], 2 where an LSTM before it gave only its last step.
        width: Features of a timestep there.

    Returns:
        Layers from [batch, timesteps, width] on, in order; none where the layer matters in training only.

    Raises:
        RidesWhole: The layer needs more than the timesteps so far, or is not known to need no more.
    """
    # Looked up by its very type: a subclass of Keras' layer may do anything.
    form = _FORMS.get(type(layer))
    if form is None:
        raise _whole(layer, _REASONS.get(type(layer), "is not known to need only the timesteps so far"))
    return form(layer, rank, width)


def _recurrent(layer: keras.layers.RNN, _: int, width: int) -> _Layers:
    if layer.go_backwards:
        raise _whole(layer, "reads the sequence from its end (go_backwards=True)")
    cells = layer.cell.cells if isinstance(layer.cell, layers.StackedRNNCells) else [layer.cell]
    rebuilt: _Layers = []
    for i, cell in enumerate(cells):
        if type(cell) is not layers.LSTMCell and type(layer) is not layers.LSTM:
            raise _whole(layer, f"has a cell that is not an LSTMCell: {type(cell).__name__}")
        lstm = layers.LSTM(
            cell.units,
            activation=cell.activation,
            recurrent_activation=cell.recurrent_activation,
            use_bias=cell.use_bias,
            return_sequences=True,
            return_state=True,
            use_cudnn=False,  # an operation of one vendor's cards would not run elsewhere
            name=layer.name if len(cells) == 1 else f"{layer.name}_{i}",
        )
        rebuilt += _built(lstm, width, cell)
        width = cell.units
    return rebuilt


def _time_distributed(layer: keras.layers.TimeDistributed, _: int, width: int) -> _Layers:
    return sequence_form(layer.layer, 2, width)


def _dense(layer: keras.layers.Dense, _: int, width: int) -> _Layers:
    dense = layers.Dense(layer.units, activation=layer.activation, use_bias=layer.use_bias, name=layer.name)
    return _built(dense, width, layer)


def _activation(layer: keras.layers.Activation, _: int, width: int) -> _Layers:
    return _built(layers.Activation(layer.activation, name=layer.name), width)


def _elementwise(layer: keras.layers.Layer, _: int, width: int) -> _Layers:
    return _built(type(layer).from_config(layer.get_config()), width)


def _along_features(layer: keras.layers.Layer, rank: int, width: int) -> _Layers:
    axes = list(layer.axis) if isinstance(layer.axis, list | tuple) else [layer.axis]
    if axes not in ([-1], [rank - 1]):
        raise _whole(layer, f"works along the axes {axes}, not along the features alone")
    return _built(type(layer).from_config(layer.get_config() | {"axis": -1}), width, layer)


def _rescaling(layer: keras.layers.Rescaling, _: int, width: int) -> _Layers:
    if max(np.ndim(layer.scale), np.ndim(layer.offset)) > 1:
        raise _whole(layer, "has another scale for every timestep")
    return _built(type(layer).from_config(layer.get_config()), width)


def _normalization(layer: keras.layers.Normalization, _: int, width: int) -> _Layers:
    if np.size(layer.mean) not in (1, width):
        raise _whole(layer, "has another mean for every timestep")
    mean, variance = (
        np.broadcast_to(np.asarray(values, np.float32).reshape(-1), (width,)) for values in (layer.mean, layer.variance)
    )
    same = layers.Normalization(axis=-1, mean=mean, variance=variance, invert=layer.invert, name=layer.name)
    return _built(same, width)


def _flatten(layer: keras.layers.Flatten, rank: int, _: int) -> _Layers:
    if rank > 2:
        raise _whole(layer, "needs all timesteps at once")
    return []


def _nothing(*_: Any) -> _Layers:
    return []


def _built(layer: keras.layers.Layer, width: int, source: Any = None) -> _Layers:
    layer.build((None, None, width))
    if source is not None:
        # Seeds of dropout are weights to Keras, of another dtype.
        layer.set_weights([weight for weight in source.get_weights() if weight.dtype == np.float32])
    return [layer]


def _whole(layer: keras.layers.Layer, reason: str) -> RidesWhole:
    return RidesWhole(f"layer {layer.name!r} ({type(layer).__name__}) {reason}")


_FORMS: dict[type[keras.layers.Layer], Callable[[Any, int, int], _Layers]] = {
    layers.Activation: _activation,
    layers.ActivityRegularization: _nothing,
    layers.AlphaDropout: _nothing,
    layers.BatchNormalization: _along_features,
    layers.Dense: _dense,
    layers.Dropout: _nothing,
    layers.ELU: _elementwise,
    layers.Flatten: _flatten,
    layers.GaussianDropout: _nothing,
    layers.GaussianNoise: _nothing,
    layers.Identity: _nothing,
    layers.InputLayer: _nothing,
    layers.LSTM: _recurrent,
    layers.LayerNormalization: _along_features,
    layers.LeakyReLU: _elementwise,
    layers.Normalization: _normalization,
    layers.RNN: _recurrent,
    layers.ReLU: _elementwise,
    layers.Rescaling: _rescaling,
    layers.Softmax: _along_features,
    layers.SpatialDropout1D: _nothing,
    layers.TimeDistributed: _time_distributed,
}

_REASONS: dict[type[keras.layers.Layer], str] = {
    layers.Bidirectional: "reads the sequence from its end as well",
    layers.Masking: "skips timesteps by their values",
    layers.RepeatVector: "starts a second sequence after the first has ended",
}
