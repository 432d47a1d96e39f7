"""The one promise: on ONNX Runtime no batch-mate, no row and no chunk boundary changes a bit."""

from functools import partial

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import activations, layers

from carousel.artifact import TOLERANCE, Signature, TensorSpec, disagreement, read_manifest, read_signature
from carousel.engines import OnnxEngine, check_invariance, load_engine
from carousel_models.lowering import KerasSteps, lower
from carousel_models.lowering.activations import LSTM_ACTIVATIONS

HEADS = [
    *("elu", "exponential", "gelu", "hard_sigmoid", "leaky_relu", "linear", "log_softmax", "relu", "relu6", "selu"),
    *("sigmoid", "silu", "softmax", "softplus", "softsign", "tanh"),
]
BETWEEN = [
    layers.BatchNormalization,
    layers.ELU,
    layers.LayerNormalization,
    layers.Softmax,
    partial(layers.Dropout, 0.5),
    partial(layers.LeakyReLU, 0.3),
    partial(layers.Rescaling, 0.7, 0.1),
]
INSIDE = sorted(
    function.__name__ for function in LSTM_ACTIVATIONS if function is getattr(activations, function.__name__, None)
)


@st.composite
def stacks(draw):
    """What to build any stack with a head from, layer by layer."""
    between = st.lists(st.sampled_from(BETWEEN), max_size=1)
    parts = [partial(layers.Input, (None, draw(st.integers(1, 70))))]
    for _ in range(draw(st.integers(1, 2))):
        parts += draw(between)
        lstm = {
            "units": draw(st.integers(1, 70)),
            "activation": draw(st.sampled_from(INSIDE)),
            "recurrent_activation": draw(st.sampled_from(["sigmoid", "hard_sigmoid"])),
            "use_bias": draw(st.booleans()),
        }
        parts.append(partial(layers.LSTM, return_sequences=True, **lstm))
    for _ in range(draw(st.integers(0, 2))):
        units, activation = draw(st.integers(1, 40)), draw(st.sampled_from(HEADS))
        parts.append(partial(layers.Dense, units, activation, use_bias=draw(st.booleans())))
        parts += draw(between)
    return parts


def built(parts):
    """Build a stack with weights of its own, always the same."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([part() for part in parts])
    graph = lower(model)
    assert graph.content is not None
    return model, graph


@st.composite
def cuts(draw, steps):
    """Cut `steps` into chunks."""
    places = sorted(draw(st.sets(st.integers(1, steps - 1)))) if steps > 1 else []
    return list(zip([0, *places], [*places, steps], strict=True))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 2**32 - 1))
def test_riding_together_is_riding_alone_bit_for_bit(data, seed):
    """Outputs and states of any stack, for any rows, in any chunks, are what each row gets alone and whole."""
    model, graph = built(data.draw(stacks()))
    engine = OnnxEngine(graph.content)
    width = sum(state.units for state in graph.states)
    rng = np.random.default_rng(seed)
    steps, rows = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 33))
    inputs = rng.standard_normal((steps, rows, model.input_shape[-1]), np.float32)
    before = rng.standard_normal((rows, width), np.float32)
    alone = [engine.run(np.ascontiguousarray(inputs[:, row : row + 1]), before[row : row + 1]) for row in range(rows)]
    state, outputs = before, []
    for begin, end in data.draw(cuts(steps)):
        chunk, state = engine.run(inputs[begin:end], state)
        outputs.append(chunk)
    together = np.concatenate(outputs)
    assert together.tobytes() == np.concatenate([sequence for sequence, _ in alone], axis=1).tobytes()
    assert state.tobytes() == np.concatenate([last for _, last in alone]).tobytes()


@settings(max_examples=25, deadline=None)
@given(stacks())
def test_any_stack_answers_as_keras(parts):
    """A cell graph's outputs and next states are those of Keras' own layers.

    Both are float32 here, and to normalise a nearly constant row multiplies the rounding errors of both.
    """
    model, graph = built(parts)
    rng = np.random.default_rng(1)
    inputs = rng.standard_normal((3, 6, model.input_shape[-1]), np.float32)
    before = [0.5 * rng.standard_normal((3, state.units), np.float32) for state in graph.states]
    expected, after = KerasSteps(model, graph.states).advance(keras.ops.convert_to_tensor(inputs), before)
    outputs, state = OnnxEngine(graph.content).run(
        np.ascontiguousarray(inputs.swapaxes(0, 1)), np.concatenate(before, axis=1)
    )
    assert disagreement(outputs.swapaxes(0, 1), np.asarray(expected), 10 * TOLERANCE) == ""
    assert disagreement(state, np.concatenate(after, axis=1), 10 * TOLERANCE) == ""


class Padding:
    """An engine that breaks the promise as padding does: a row's answer depends on how many rows there are."""

    name = "padding"
    chunkable = True

    def run(self, inputs, state):
        """Add a trace of the number of rows."""
        total = state + inputs.sum(axis=(0, 2))[:, None]
        return np.cumsum(inputs, axis=0) + np.float32(1e-6) * (inputs.shape[1] > 12), total


def test_the_check_at_load_sees_a_broken_promise():
    """`check_invariance` is false for an engine whose answers depend on the batch."""
    signature = Signature(
        TensorSpec("inputs", "float32", (None, None, 1)), None, TensorSpec("last_step", "float32", (None, 1))
    )
    assert not check_invariance(Padding(), signature, 1)


@pytest.mark.parametrize("name", ["lstm128", "stack", "relu50", "bidirectional", "flat", "longer", "tokens"])
def test_the_check_at_load_passes_what_keeps_it(repository, name):
    """`check_invariance` is true for exported cell graphs on this machine."""
    version = repository / name / "1"
    signature, manifest = read_signature(version), read_manifest(version)
    engine, because = load_engine(version, signature, manifest, "onnx")
    assert because == ""
    assert check_invariance(engine, manifest.complete(signature), manifest.state_width)
