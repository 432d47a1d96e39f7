"""Every option of the layers that ride in chunks: sequence form and plan answer as the user's own model does."""

import keras
import numpy as np
import pytest
from keras import layers

from carousel.artifact import disagreement
from carousel.engines import OnnxEngine
from carousel_models.lowering.graph import NoPlan
from carousel_models.lowering.plan import plan_of
from carousel_models.lowering.sequence_form import RidesWhole
from carousel_models.lowering.stack import stack_of

T, D = 5, 3


def sequential(*stack):
    """A model over [T, D]."""
    return keras.Sequential([layers.Input((T, D)), *stack])


def functional():
    """The same written as a functional model."""
    taken = layers.Input((T, D))
    return keras.Model(taken, layers.Dense(2)(layers.LSTM(4)(layers.Rescaling(0.5)(taken))))


def normalised(shape=(T, D), **options):
    """A Normalization that has seen rows."""
    layer = layers.Normalization(**options)
    layer.adapt(np.random.default_rng(0).normal([5, -3, 0], [2, 9, 0.1], (50, *shape)).astype(np.float32))
    return layer


CHUNKABLE = {
    "no bias": lambda: sequential(layers.LSTM(4, use_bias=False)),
    "linear": lambda: sequential(layers.LSTM(4, activation=None, recurrent_activation="hard_sigmoid")),
    "stateful": lambda: keras.Sequential([layers.Input(batch_shape=(2, T, D)), layers.LSTM(4, stateful=True)]),
    "unrolled": lambda: sequential(layers.LSTM(4, unroll=True)),
    "a cell": lambda: sequential(layers.RNN(layers.LSTMCell(4))),
    "stacked cells": lambda: sequential(layers.RNN([layers.LSTMCell(4), layers.LSTMCell(3)], return_sequences=True)),
    "functional": functional,
    "nested": lambda: sequential(
        keras.Sequential([layers.LSTM(4, return_sequences=True), layers.LSTM(3)]), layers.Dense(2)
    ),
    "time distributed": lambda: sequential(
        layers.LSTM(4, return_sequences=True), layers.TimeDistributed(layers.Dense(2, activation="relu"))
    ),
    "flat already": lambda: sequential(layers.LSTM(4), layers.Flatten(), layers.Dense(2)),
    "normalization": lambda: sequential(normalised(), layers.LSTM(4)),
    "one normalization for all": lambda: sequential(normalised(axis=None), layers.LSTM(4)),
    "normalization undone": lambda: sequential(layers.LSTM(3), normalised((D,), invert=True)),
    "rescaling": lambda: sequential(layers.Rescaling([0.1, 2.0, 3.0], -1.0), layers.LSTM(4)),
    "batch normalization": lambda: sequential(layers.LSTM(4), layers.BatchNormalization(scale=False), layers.Dense(2)),
    "layer normalization": lambda: sequential(layers.LSTM(4), layers.LayerNormalization(axis=1, center=False)),
    "capped": lambda: sequential(layers.LSTM(4), layers.ReLU(max_value=0.1, negative_slope=0.2)),
    "noise": lambda: sequential(
        layers.GaussianNoise(1.0), layers.SpatialDropout1D(0.5), layers.LSTM(4), layers.AlphaDropout(0.5)
    ),
    "probabilities": lambda: sequential(layers.LSTM(4), layers.Dense(5), layers.Softmax()),
    "activation": lambda: sequential(layers.LSTM(4), layers.Activation("softplus")),
}


@pytest.mark.parametrize("name", CHUNKABLE)
def test_plan_and_sequence_form_answer_as_the_model(name):
    """Within 1e-5 of the user's own model, at its last step, from inputs of its range."""
    keras.utils.set_random_seed(1)
    model = CHUNKABLE[name]()
    stack = stack_of(model)
    inputs = np.random.default_rng(1).standard_normal((2, T, D), np.float32)
    own = np.asarray(model(inputs, training=False))
    own = own[:, -1] if own.ndim == 3 else own
    sequence, _ = stack.advance(inputs, [np.zeros((2, state.units), np.float32) for state in stack.states])
    assert disagreement(np.asarray(sequence)[:, -1], own) == ""
    width = sum(state.units for state in stack.states)
    engine = OnnxEngine(plan_of(stack))
    outputs, _ = engine.run(np.ascontiguousarray(inputs.swapaxes(0, 1)), np.zeros((2, width), np.float32))
    assert outputs.shape == (T, 2, stack.units)
    assert disagreement(outputs[-1], own) == ""


def branching():
    """A residual beside an LSTM."""
    taken = layers.Input((T, D))
    return keras.Model(taken, layers.Add()([taken, layers.LSTM(D, return_sequences=True)(taken)]))


def shared():
    """One LSTM twice."""
    taken, lstm = layers.Input((T, D)), layers.LSTM(D, return_sequences=True)
    return keras.Model(taken, lstm(lstm(taken)))


class MyLSTM(layers.LSTM):
    """It may do anything."""


WHOLE = {
    "(Bidirectional) reads the sequence from its end as well": lambda: sequential(layers.Bidirectional(layers.LSTM(2))),
    "reads the sequence from its end (go_backwards=True)": lambda: sequential(layers.LSTM(2, go_backwards=True)),
    "(Masking) skips timesteps by their values": lambda: sequential(layers.Masking(), layers.LSTM(2)),
    "(Flatten) needs all timesteps at once": lambda: sequential(
        layers.LSTM(2, return_sequences=True), layers.Flatten()
    ),
    "(Conv1D) is not known to need only the timesteps so far": lambda: sequential(layers.Conv1D(2, 2), layers.LSTM(2)),
    "(RepeatVector) starts a second sequence": lambda: sequential(
        layers.LSTM(2), layers.RepeatVector(T), layers.LSTM(2)
    ),
    "(MyLSTM) is not known": lambda: sequential(MyLSTM(2)),
    "a cell that is not an LSTMCell: GRUCell": lambda: sequential(layers.RNN([layers.LSTMCell(2), layers.GRUCell(2)])),
    "(Softmax) works along the axes [1]": lambda: sequential(
        layers.LSTM(2, return_sequences=True), layers.Softmax(axis=1)
    ),
    "another mean for every timestep": lambda: sequential(normalised(axis=(1, 2)), layers.LSTM(2)),
    "the model branches": branching,
    "is used more than once": shared,
}


@pytest.mark.parametrize("reason", WHOLE)
def test_what_cannot_ride_in_chunks_is_named(reason):
    """The layer and why, in plain words."""
    with pytest.raises(RidesWhole) as error:
        stack_of(WHOLE[reason]())
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("stack", "reason"),
    [
        ([layers.LSTM(2, activation="gelu", name="odd")], "layer 'odd': ONNX's LSTM has no activation 'gelu'"),
        ([layers.LSTM(2), layers.Dense(2, activation="mish", name="head")], "layer 'head': the activation 'mish'"),
        ([layers.LSTM(2), layers.ReLU(threshold=0.5, name="gate")], "layer 'gate': ReLU with a threshold"),
    ],
)
def test_what_has_no_plan_is_named(stack, reason):
    """It rides in chunks all the same: TensorFlow's `advance` knows every activation."""
    with pytest.raises(NoPlan) as error:
        plan_of(stack_of(sequential(*stack)))
    assert reason in str(error.value)


def test_states_of_layers_with_one_name_have_names_of_their_own():
    """A signature's arguments are identifiers, and no two are the same."""
    model = sequential(
        layers.LSTM(2, return_sequences=True, name="a-b"),
        layers.LSTM(2, return_sequences=True, name="a.b"),
        layers.LSTM(2, name="1st"),
    )
    names = [state.name for state in stack_of(model).states]
    assert names == ["a_b_h", "a_b_c", "a_b_1_h", "a_b_1_c", "_1st_h", "_1st_c"]
