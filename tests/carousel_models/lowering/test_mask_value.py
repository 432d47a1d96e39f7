"""Which models can leave masked timesteps out before they run: those whose states and answer all keep still there."""

import keras
import pytest
from keras import layers

from carousel_models.lowering import lower

ALL = {"return_sequences": True}


def vectors(*stack):
    return keras.Sequential([layers.Input((None, 3)), *stack])


def tokens(*stack):
    return keras.Sequential([layers.Input((None,), dtype="int32"), *stack])


def functional(build):
    x = layers.Input((None, 3))
    return keras.Model(x, build(x, layers.Masking()(x)))


LEFT_OUT = {
    "Masking": (lambda: vectors(layers.Masking(0.5), layers.LSTM(4)), 0.5),
    "every step": (lambda: vectors(layers.Masking(), layers.GRU(4, **ALL), layers.SimpleRNN(2, **ALL)), 0),
    "layers between": (lambda: vectors(layers.Masking(), layers.Dense(5), layers.LSTM(4), layers.Dense(2)), 0),
    "TimeDistributed": (
        lambda: vectors(layers.Masking(), layers.LSTM(4, **ALL), layers.TimeDistributed(layers.Dense(2))),
        0,
    ),
    "tokens": (lambda: tokens(layers.Embedding(9, 5, mask_zero=True), layers.LSTM(4), layers.Dense(2)), 0),
    "two branches": (
        lambda: functional(lambda _, x: layers.Concatenate()([layers.LSTM(2, **ALL)(x), layers.GRU(3, **ALL)(x)])),
        0,
    ),
}
KEPT = {
    "no mask": lambda: vectors(layers.LSTM(4)),
    "no mask of tokens": lambda: tokens(layers.Embedding(9, 5), layers.LSTM(4)),
    "zeros there": lambda: vectors(layers.Masking(), layers.LSTM(4, zero_output_for_mask=True, **ALL)),
    "a convolution's state moves": lambda: vectors(
        layers.Masking(), layers.Conv1D(4, 2, padding="causal"), layers.LSTM(4)
    ),
    "a state without the mask": lambda: functional(
        lambda x, masked: layers.Add()([layers.LSTM(4)(masked), layers.LSTM(4)(x)])
    ),
    "the input itself in the answer": lambda: functional(
        lambda x, masked: layers.Concatenate()([layers.LSTM(4, **ALL)(masked), x])
    ),
    "the mask is of something else": lambda: vectors(layers.Dense(3), layers.Masking(), layers.LSTM(4)),
    "whole": lambda: vectors(layers.Masking(), layers.Bidirectional(layers.LSTM(4))),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_mask_that_stops_all_states_and_the_answer_is_known_by_its_value(name):
    build, value = LEFT_OUT[name]
    assert lower(build()).mask_value == value


@pytest.mark.parametrize("name", KEPT)
def test_where_a_masked_timestep_may_change_anything_none_is_left_out(name):
    assert lower(KEPT[name]()).mask_value is None
