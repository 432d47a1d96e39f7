"""A stacked LSTM in sequence form: every layer answers every timestep, and every state is an argument and a result."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from carousel.artifact import State
from carousel_models.lowering.sequence_form import RidesWhole, sequence_form


@dataclass(frozen=True)
class Stack:
    """The layers of a model, rebuilt so that a chunk of any length can go through them.

    Attributes:
        layers: In order. Each LSTM returns its sequence and both states; every other layer keeps the timesteps apart.
        input_dim: Features of a timestep.
        units: Units of an output.
    """

    layers: tuple[keras.layers.Layer, ...]
    input_dim: int
    units: int

    @property
    def lstms(self) -> tuple[keras.layers.LSTM, ...]:
        """The recurrent layers, in order."""
        return tuple(layer for layer in self.layers if isinstance(layer, keras.layers.LSTM))

    @property
    def states(self) -> tuple[State, ...]:
        """Hidden and cell state of every LSTM, in order."""
        names: list[str] = []
        for lstm in self.lstms:
            # TensorFlow makes each state an argument of a signature, so its name must be an identifier.
            plain = re.sub(r"\W|^(?=\d)", "_", lstm.name)
            names.append(plain if plain not in names else f"{plain}_{len(names)}")
        return tuple(
            State(name=f"{name}_{kind}", units=lstm.units)
            for name, lstm in zip(names, self.lstms, strict=True)
            for kind in "hc"
        )

    def advance(self, inputs: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        """Take inputs [batch, timesteps, input_dim]; give outputs [batch, timesteps, units] and the next states."""
        waiting, following, outputs = iter(states), [], inputs
        for layer in self.layers:
            if isinstance(layer, keras.layers.LSTM):
                before = [next(waiting), next(waiting)]
                outputs, *after = layer(outputs, initial_state=before, training=False)
                following += after
            else:
                outputs = layer(outputs, training=False)
        return outputs, following


def stack_of(model: keras.Model) -> Stack:
    """Rebuild `model` in sequence form. A head that follows the last LSTM then answers every timestep.

    Raises:
        RidesWhole: A layer needs more than the timesteps so far, or is not known to need no more.
    """
    input_dim = units = int(model.inputs[0].shape[2])
    rebuilt: list[keras.layers.Layer] = []
    rank = 3
    for layer in _chain(model):
        for clone in sequence_form(layer, rank, units):
            rebuilt.append(clone)
            units = int(getattr(clone, "units", units))
        if isinstance(layer, keras.layers.RNN):
            rank = 3 if layer.return_sequences else 2
    return Stack(tuple(rebuilt), input_dim, units)


def _chain(model: keras.Model) -> Iterator[keras.layers.Layer]:
    if not isinstance(model, keras.Sequential):
        _refuse_branches(model)
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _chain(layer)
        else:
            yield layer


def _refuse_branches(model: keras.Model) -> None:
    before = None
    for layer in model.layers:
        if before is not None and layer.input is not before:
            raise RidesWhole(f"layer {layer.name!r} does not simply follow one layer: the model branches")
        before = layer.output
    # Keras tells a layer's first input and output, so a layer used twice does not lead to the model's.
    if before is not model.outputs[0]:
        raise RidesWhole(f"layer {model.layers[-1].name!r} is used more than once")
