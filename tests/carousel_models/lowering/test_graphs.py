"""Random graphs of lowered layers: alone = in company = in chunks, not a bit apart, and as Keras says."""

from functools import partial

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers

from carousel.artifact import disagreement
from carousel.batching import leave_out
from carousel.engines import OnnxEngine
from carousel_models.lowering import lower
from carousel_models.lowering.activations import LSTM_ACTIVATIONS

INSIDE = ["tanh", "relu", "sigmoid", "softsign", "elu", "linear", "gelu", "silu", "mish", "softplus"]
OUTSIDE = [*INSIDE, "softmax", "selu", "hard_sigmoid", "exponential", "leaky_relu", "log_softmax", "hard_tanh", "celu"]
RECURRENT = {"LSTM": layers.LSTM, "GRU": layers.GRU, "SimpleRNN": layers.SimpleRNN}


def drawn(draw, *choices):
    return draw(st.sampled_from(choices))


def recurrent(draw, **options):
    """Any recurrent layer."""
    kind = drawn(draw, *RECURRENT)
    options |= {"units": draw(st.integers(1, 24)), "use_bias": draw(st.booleans())}
    options["activation"] = drawn(draw, *INSIDE)
    if kind == "GRU":
        options["reset_after"] = draw(st.booleans())
    if kind != "SimpleRNN":
        options["recurrent_activation"] = drawn(draw, "sigmoid", "hard_sigmoid")
    return RECURRENT[kind](**options)


def stepwise_layer(draw):
    """Any layer that answers every timestep from the timesteps so far."""
    kind = drawn(draw, "recurrent", "recurrent", "cells", "conv", "dense", "norm", "elementwise")
    if kind == "recurrent":
        return recurrent(draw, return_sequences=True)
    if kind == "cells":
        cells = [drawn(draw, layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell) for _ in range(2)]
        return layers.RNN([cell(draw(st.integers(1, 9))) for cell in cells], return_sequences=True)
    if kind == "conv":
        size, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3))
        return layers.Conv1D(draw(st.integers(1, 20)), size, padding="causal", dilation_rate=dilation)
    if kind == "dense":
        return layers.Dense(draw(st.integers(1, 24)), activation=drawn(draw, *OUTSIDE))
    if kind == "norm":
        return drawn(draw, layers.LayerNormalization, layers.BatchNormalization, layers.UnitNormalization)()
    return drawn(draw, partial(layers.LeakyReLU, 0.3), partial(layers.Rescaling, 0.7, 0.1), layers.Softmax)()


def whole_layer(draw):
    """Any layer that needs the whole sequence, and answers as many timesteps."""
    kind = drawn(draw, "bidirectional", "backwards", "same", "pool", "separable")
    if kind == "bidirectional":
        inner = recurrent(draw, return_sequences=True)
        return layers.Bidirectional(inner, merge_mode=drawn(draw, "concat", "sum", "ave", "mul"))
    if kind == "backwards":
        return recurrent(draw, return_sequences=True, go_backwards=True)
    if kind == "same":
        return layers.Conv1D(draw(st.integers(1, 20)), draw(st.integers(2, 4)), padding="same")
    if kind == "separable":
        return layers.SeparableConv1D(draw(st.integers(1, 9)), 3, padding="same", depth_multiplier=2)
    return drawn(draw, layers.MaxPooling1D, layers.AveragePooling1D)(3, strides=1, padding="same")


def end(draw, x, *, whole):
    """Whatever may follow a sequence at its end."""
    kind = drawn(draw, "sequence", "last", "state", "average" if whole else "last")
    if kind == "sequence":
        return x
    if kind == "average":
        x = layers.GlobalAveragePooling1D()(x)
    elif kind == "state":
        x = layers.GRU(5, return_state=True)(x)[1]
    else:
        x = recurrent(draw)(x)
    return layers.Dense(3, activation=drawn(draw, *OUTSIDE))(x)


@st.composite
def models(draw, *, whole):
    """A graph of up to six layers that branches, meets again, skips and masks as it likes."""
    keras.utils.set_random_seed(0)
    if draw(st.booleans()):
        taken = layers.Input((None,), dtype="int32")
        x = layers.Embedding(9, draw(st.integers(1, 12)), mask_zero=draw(st.booleans()))(taken)
    else:
        taken = layers.Input((None, draw(st.integers(1, 20))))
        x = layers.Masking()(taken) if draw(st.booleans()) else taken
    pool = [recurrent(draw, return_sequences=True)(x), x]
    for i in range(draw(st.integers(1, 4))):
        branch = drawn(draw, *pool)
        if draw(st.booleans()):
            merged = drawn(draw, layers.Add, layers.Multiply, layers.Maximum, layers.Average)
            sides = [layers.Dense(6)(branch), layers.Dense(6)(drawn(draw, *pool))]
            pool.insert(0, drawn(draw, merged, layers.Concatenate)()(sides))
        elif len(branch.shape) == 3:
            layer = whole_layer(draw) if whole and i == 0 else stepwise_layer(draw)
            # Softmax takes a mask for one of features, in Keras too.
            if not isinstance(layer, layers.Softmax):
                pool.insert(0, layer(branch))
    last = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(pool[0]) if whole else pool[0]
    return keras.Model(taken, end(draw, last, whole=whole))


def described(model):
    """The calls of a model, one a line."""
    return "\n".join(
        f"{layer.name}({', '.join(x.name for x in keras.tree.flatten(layer.input))}) = {layer.output.name}"
        for layer in model.layers
    )


def check(data, model, seed):
    """Every row alone is, bit for bit, what it is in company and in chunks; and what Keras says."""
    rng = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.1 * rng.standard_normal(weight.shape))
    graph = lower(model)
    assert graph.content is not None, graph.not_lowered_because
    engine = OnnxEngine(graph.content)
    steps, rows = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 20))
    shape = (steps, rows, *model.inputs[0].shape[2:])
    if model.inputs[0].dtype == "int32":
        inputs = rng.integers(0, 9, shape, np.int32)
    else:
        inputs = rng.standard_normal(shape, np.float32)
    inputs[rng.random((steps, rows)) < rng.choice([0, 0.3, 0.9])] = 0
    state = np.zeros((rows, sum(state.units for state in graph.states)), np.float32)
    alone = [engine.run(np.ascontiguousarray(inputs[:, i : i + 1]), state[i : i + 1]) for i in range(rows)]
    expected = np.concatenate([outputs for outputs, _ in alone], axis=1)
    own = np.asarray(model(np.ascontiguousarray(inputs.swapaxes(0, 1)), training=False))
    own = np.nan_to_num(own, nan=77, posinf=77, neginf=77)
    answer = np.nan_to_num(expected[-1] if own.ndim == 2 else expected.swapaxes(0, 1), nan=77, posinf=77, neginf=77)
    assert disagreement(answer, own, 1e-4) == "", described(model)
    cuts = sorted(data.draw(st.sets(st.integers(1, steps - 1)))) if graph.stepwise and steps > 1 else []
    pieces = []
    for begin, stop in zip([0, *cuts], [*cuts, steps], strict=True):
        outputs, state = engine.run(np.ascontiguousarray(inputs[begin:stop]), state)
        pieces.append(outputs)
    assert np.concatenate(pieces).tobytes() == expected.tobytes()
    assert state.tobytes() == np.concatenate([last for _, last in alone]).tobytes()
    if graph.mask_value is not None:
        for row, (outputs, last) in enumerate(alone):
            left, repeats = leave_out(inputs[:, row], graph.mask_value)
            given, after = engine.run(left[:, None], np.zeros_like(last))
            assert given[np.arange(steps) if repeats is None else repeats].tobytes() == outputs.tobytes()
            assert after.tobytes() == last.tobytes()
    return graph


QUICK = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=40, **QUICK)
@given(st.data(), models(whole=False), st.integers(0, 2**32 - 1))
def test_stepwise_graphs_keep_every_bit(data, model, seed):
    graph = check(data, model, seed)
    assert graph.stepwise or graph.not_stepwise_because == "no layer of it carries a state"


@settings(max_examples=20, **QUICK)
@given(st.data(), models(whole=True), st.integers(0, 2**32 - 1))
def test_whole_graphs_keep_every_bit(data, model, seed):
    assert not check(data, model, seed).stepwise


@pytest.mark.soak
@settings(max_examples=1000, **QUICK)
@given(st.data(), st.booleans().flatmap(lambda whole: models(whole=whole)), st.integers(0, 2**32 - 1))
def test_a_thousand_graphs_keep_every_bit(data, model, seed):
    check(data, model, seed)


def test_the_activations_drawn_are_run_both_ways():
    """Some inside ONNX's recurrent operations, some in a loop."""
    named = {getattr(function, "__name__", "") for function in LSTM_ACTIVATIONS}
    assert named & set(INSIDE)
    assert set(INSIDE) - named
