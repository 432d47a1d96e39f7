"""Every layer that has a lowering answers as Keras does, and keeps the one promise."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from carousel.artifact import disagreement
from carousel.engines import OnnxEngine
from carousel_models.lowering import KerasSteps, lower
from carousel_models.lowering.registry import lowered_layers
from tests.carousel_models.lowering.models import ALL, STEPWISE, WHOLE, fun, seq

TIMESTEPS, ROWS = 6, 17


def built(build):
    """A model whose weights, biases too, are anything but zeros, and inputs for it, [rows, timesteps, ...]."""
    keras.utils.set_random_seed(1)
    model = build()
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.1 * rng.standard_normal(weight.shape))
    (taken,) = model.inputs
    if len(taken.shape) == 2:
        return model, rng.integers(0, 4, (ROWS, TIMESTEPS), np.int32)
    inputs = rng.standard_normal((ROWS, TIMESTEPS, taken.shape[2]), np.float32)
    # Where a model masks timesteps it masks zeros: none in the first row, all in the last, any in those between.
    inputs[rng.random((ROWS, TIMESTEPS)) < np.linspace(-0.1, 1.1, ROWS)[:, None]] = 0
    return model, inputs


def answered(model, inputs):
    """What Keras answers."""
    batch = model.inputs[0].shape[0] or ROWS
    stateful = [layer for layer in model.layers if getattr(layer, "stateful", False)]
    for layer in stateful:
        layer.stateful = False
    # Keras averages no timesteps to NaN; so must the graph.
    own = np.nan_to_num(model(inputs[:batch].astype(model.inputs[0].dtype), training=False), nan=77)
    for layer in stateful:
        layer.stateful = True
    return own


def in_chunks(engine, inputs, state, cuts):
    """Run [timesteps, rows, ...] in chunks."""
    pieces, begin = [], 0
    for steps in cuts:
        outputs, state = engine.run(np.ascontiguousarray(inputs[begin : begin + steps]), state)
        pieces.append(outputs)
        begin += steps
    return np.concatenate(pieces), state


def alone_and_together(engine, inputs, width, all_cuts):
    """Every row alone is, bit for bit, what it is in any company and in any chunks. Return outputs, rows together."""
    rng = np.random.default_rng(2)
    steps = np.ascontiguousarray(inputs.swapaxes(0, 1))
    before = np.zeros((ROWS, width), np.float32)
    before[::2] = 0.5 * rng.standard_normal((len(before[::2]), width))
    alone = [engine.run(np.ascontiguousarray(steps[:, i : i + 1]), before[i : i + 1]) for i in range(ROWS)]
    outputs = np.concatenate([given for given, _ in alone], axis=1)
    states = np.concatenate([state for _, state in alone])
    for cuts in all_cuts:
        for rows in (slice(0, ROWS), slice(3, 8), slice(5, 7)):
            given, state = in_chunks(engine, steps[:, rows], before[rows], cuts)
            assert given.tobytes() == np.ascontiguousarray(outputs[:, rows]).tobytes()
            assert state.tobytes() == np.ascontiguousarray(states[rows]).tobytes()


@pytest.mark.parametrize("name", STEPWISE)
def test_a_stepwise_model_answers_as_keras_in_any_company_and_chunks(name):
    """Cell graph and SavedModel within 1e-5 of Keras; no bit of the cell graph's answers depends on mates or cuts."""
    model, inputs = built(STEPWISE[name])
    graph = lower(model)
    assert (graph.stepwise, graph.not_stepwise_because, graph.not_lowered_because) == (True, "", "")
    engine = OnnxEngine(graph.content)
    width = sum(state.units for state in graph.states)
    own = answered(model, inputs)
    outputs, _ = engine.run(np.ascontiguousarray(inputs.swapaxes(0, 1)), np.zeros((ROWS, width), np.float32))
    outputs = outputs.swapaxes(0, 1)
    assert disagreement(outputs[: len(own), -1] if own.ndim == 2 else outputs, own) == ""
    zeros = [np.zeros((ROWS, state.units), np.float32) for state in graph.states]
    steps = KerasSteps(model, graph.states)
    first, zeros = steps.advance(ops.convert_to_tensor(inputs[:, :2]), zeros)
    rest, _ = steps.advance(ops.convert_to_tensor(inputs[:, 2:]), zeros)
    assert disagreement(np.concatenate([first, rest], axis=1), outputs) == ""
    alone_and_together(engine, inputs, width, [(6,), (1, 5), (1,) * 6])


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_model_answers_as_keras_in_any_company(name):
    """Within 1e-5 of Keras, of whatever length; the layer that needs the whole sequence is named."""
    build, because = WHOLE[name]
    model, inputs = built(build)
    graph = lower(model)
    assert (graph.stepwise, graph.not_lowered_because) == (False, "")
    assert because in graph.not_stepwise_because
    engine = OnnxEngine(graph.content)
    own = answered(model, inputs)
    outputs, _ = engine.run(np.ascontiguousarray(inputs.swapaxes(0, 1)), np.zeros((ROWS, 0), np.float32))
    outputs = np.nan_to_num(outputs, nan=77)
    assert disagreement(outputs[-1] if own.ndim == 2 else outputs.swapaxes(0, 1), own) == ""
    alone_and_together(engine, inputs, 0, [(6,)])


class MyLSTM(layers.LSTM):
    """It may do anything."""


def squashed(x):
    """An activation that nobody else knows."""
    return x / (1 + ops.abs(x))


NOT_LOWERED = {
    "layer 'mine' (MyLSTM) has no lowering to ONNX": lambda: seq(MyLSTM(2, name="mine")),
    "(LSTM): the activation 'squashed' has no ONNX form here": lambda: seq(layers.LSTM(2, activation=squashed)),
    "(Dense): the activation 'squashed'": lambda: seq(layers.LSTM(2), layers.Dense(2, activation=squashed)),
    "(Mean) works along the batch axis: an answer would depend on its batch-mates": lambda: fun(
        lambda x: layers.LSTM(2)(x - ops.mean(x, axis=0, keepdims=True))
    ),
    "has a cell that has no lowering to ONNX: Twice": lambda: seq(layers.RNN(Twice())),
    "(Softmax) takes a mask": lambda: seq(layers.Masking(), layers.LSTM(3, **ALL), layers.Softmax()),
}


class Twice(layers.Layer):
    """A cell of one's own."""

    state_size = output_size = 3

    def call(self, inputs, states):
        """Add up."""
        return inputs + states[0], [inputs + states[0]]


@pytest.mark.parametrize("reason", NOT_LOWERED)
def test_what_has_no_lowering_is_named(reason):
    """The layer and why, in plain words; TensorFlow serves such a model."""
    graph = lower(NOT_LOWERED[reason]())
    assert graph.content is None
    assert reason in graph.not_lowered_because


def test_an_unknown_activation_leaves_a_model_stepwise():
    """TensorFlow's `advance` knows every activation."""
    graph = lower(seq(layers.LSTM(2, activation=squashed)))
    assert [state.units for state in graph.states] == [2, 2]


def test_states_of_layers_with_one_name_have_names_of_their_own():
    """A signature's arguments are identifiers, and no two are the same."""
    inner = keras.Sequential([layers.Input((6, 2)), layers.LSTM(2, name="a.b", **ALL)])
    model = seq(layers.LSTM(2, name="a-b", **ALL), inner, layers.LSTM(2, name="1st"))
    names = [state.name for state in lower(model).states]
    assert names == ["a_b_h", "a_b_c", "a_b_h_1", "a_b_c_1", "_1st_h", "_1st_c"]


def test_softplus_inside_an_lstm_does_not_overflow():
    """Above 88, where exp(x) is infinite, softplus is x."""
    model = seq(layers.LSTM(1, activation="softplus", use_bias=False))
    model.set_weights([np.full(weight.shape, 1.0) for weight in model.get_weights()])
    inputs = np.full((1, 6, 3), 40.0, np.float32)
    engine = OnnxEngine(lower(model).content)
    outputs, _ = engine.run(inputs.swapaxes(0, 1), np.zeros((1, 2), np.float32))
    assert disagreement(outputs[-1], answered(model, inputs)) == ""
    assert np.isfinite(outputs).all()


def test_a_masked_timestep_keeps_the_sign_of_a_zero_out_of_a_state():
    """relu behind a gate below zero gives -0.0, which a chunk of masked timesteps alone must not turn to other bits."""
    stack = [layers.Masking(), layers.LSTM(13, activation="relu", recurrent_activation="tanh", use_bias=False)]
    model, inputs = built(lambda: seq(*stack))
    engine = OnnxEngine(lower(model).content)
    alone_and_together(engine, inputs, 26, [(6,), (1,) * 6])


def test_masks_go_on_after_an_attention_as_they_do_in_keras():
    """MultiHeadAttention takes away the mask of what it was called on, and its answer has the query's."""

    def build(x):
        read = layers.LSTM(4, **ALL)(layers.Masking()(x))
        attended = layers.MultiHeadAttention(2, 3)(read, read)
        return layers.GlobalAveragePooling1D()(layers.Add()([read, attended]))

    model, inputs = built(lambda: fun(build))
    outputs, _ = OnnxEngine(lower(model).content).run(
        np.ascontiguousarray(inputs[:16].swapaxes(0, 1)), np.zeros((16, 0), np.float32)
    )
    assert disagreement(np.nan_to_num(outputs[-1], nan=77), answered(model, inputs[:16])) == ""


def test_the_page_of_models_knows_every_layer_measured():
    """docs/models.md, written by `python -m docs.models`: its layers all have a lowering."""
    page = (Path(__file__).parents[3] / "docs/models.md").read_text()
    lowered = {kind.__name__ for kind in lowered_layers() if isinstance(kind, type)} | {"keras.ops"}
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")][1:]
    assert {name for name, *_ in rows} <= lowered
    assert len(rows) > 50
    assert {tensorflow for *_, tensorflow, _, _ in rows} == {""}
    assert "the answers of 0\ndepend on their batch" in page
