"""The gates that are drawn are the layer's own: its output can be computed again from them."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from carousel.cli import main
from carousel_models.report.gates import gates_in

ACTIVATIONS = ("tanh", "relu", "linear", "softsign", "elu", None)
GATES = ("sigmoid", "hard_sigmoid", "tanh", None)


def random_weights(model: keras.Model, seed: int) -> keras.Model:
    """Give every weight a random value, biases too."""
    chance = np.random.default_rng(seed)
    model.set_weights([0.4 * chance.standard_normal(weight.shape) for weight in model.get_weights()])
    return model


def output_again(gates, activation) -> np.ndarray:
    """Compute h [timesteps, units] from the gates alone, a step after the other; masked steps change nothing."""
    h = c = np.zeros(gates.i.shape[1])
    outputs = np.zeros_like(gates.h)
    steps = range(len(gates.i))
    for t in reversed(steps) if gates.backwards else steps:
        if not np.isnan(gates.i[t]).any():
            c = gates.f[t] * c + gates.i[t] * gates.candidate[t]
            h = gates.o[t] * keras.ops.convert_to_numpy(keras.activations.get(activation)(c[None]))[0]
        outputs[t] = h
    return outputs


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(ACTIVATIONS),
    st.sampled_from(GATES),
    st.integers(1, 9),
    st.booleans(),
    st.booleans(),
    st.sets(st.integers(0, 8), max_size=8),
    st.integers(0, 99),
)
def test_the_output_can_be_computed_again_from_the_gates(activation, gate, timesteps, bias, backwards, masked, seed):
    """Whichever `activation` and `recurrent_activation` are, forwards or backwards, whatever is masked."""
    keras.utils.clear_session()
    layer = layers.LSTM(
        3,
        activation=activation,
        recurrent_activation=gate,
        use_bias=bias,
        go_backwards=backwards,
        return_sequences=True,
    )
    model = random_weights(keras.Sequential([layers.Input((None, 2)), layers.Masking(9.0), layer]), seed)
    sequence = np.random.default_rng(seed).standard_normal((timesteps, 2)).astype(np.float32)
    sequence[[step for step in masked if step < timesteps - 1]] = 9.0
    [gates] = gates_in(model, sequence)
    assert gates.activation == (activation or "linear")
    assert gates.recurrent_activation == (gate or "linear")
    valid = ~(sequence == 9.0).all(axis=1)
    assert (np.isnan(gates.i).all(axis=1) == ~valid).all()
    again = output_again(gates, activation)
    np.testing.assert_allclose(again, gates.h, rtol=1e-9, atol=1e-12)
    # go_backwards answers in the order in which it reads.
    answered = model(sequence[None])[0].numpy()
    np.testing.assert_allclose(again[::-1] if backwards else again, answered, rtol=1e-4, atol=1e-5)


def test_every_lstm_of_a_model_is_found_with_what_it_reads():
    """In a branch, in a model inside the model, in both directions, as a cell, with a state given by another layer."""
    inputs = keras.Input((None, 2))
    first = layers.LSTM(3, return_sequences=True, name="first")(inputs)
    both = layers.Bidirectional(layers.LSTM(2, return_sequences=True, activation="relu"), name="both")(first)
    inner = keras.Sequential([layers.Input((None, 4)), layers.LSTM(3, return_state=False, name="inner")])(both)
    cell = layers.RNN(layers.LSTMCell(3), return_state=True, name="cell")
    _, h, c = cell(inputs)
    last = layers.LSTM(3, name="last")(first, initial_state=[h, c])
    model = random_weights(keras.Model(inputs, layers.Concatenate()([inner, last])), 5)
    sequence = np.random.default_rng(0).standard_normal((6, 2)).astype(np.float32)
    found = {gates.layer: gates for gates in gates_in(model, sequence)}
    assert set(found) == {"first", "both, forward", "both, backward", "inner", "cell", "last"}
    expected = model(sequence[None])[0].numpy()
    np.testing.assert_allclose(found["inner"].h[-1], expected[:3], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["last"].h[-1], expected[3:], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        np.concatenate([found["both, forward"].h, found["both, backward"].h], axis=1)[2],
        keras.Model(inputs, both)(sequence[None])[0, 2].numpy(),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """Save a stack of two LSTMs."""
    path = tmp_path_factory.mktemp("stack") / "stack.keras"
    keras.Sequential([layers.Input((None, 2)), layers.LSTM(3, return_sequences=True), layers.LSTM(4)]).save(path)
    return path


def test_the_command_draws_a_picture_for_each_lstm(stack, tmp_path, capsys):
    (tmp_path / "steps.csv").write_text("a,b\n1,2\n3,4\n5,6\n")
    line = ["explain", str(stack), "--input", str(tmp_path / "steps.csv"), "--output", str(tmp_path / "out")]
    assert main(line) == 0
    said = capsys.readouterr().out.split()
    assert sorted(said) == sorted(map(str, (tmp_path / "out").iterdir()))
    assert [path.rpartition("/")[2][0] for path in said] == ["0", "1"]
    for path in (tmp_path / "out").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_explained_is_told(stack, tmp_path, capsys):
    (tmp_path / "wide.csv").write_text("1,2,3\n")
    (tmp_path / "steps.csv").write_text("1,2\n")
    gru = tmp_path / "gru.keras"
    keras.Sequential([layers.Input((None, 2)), layers.GRU(3)]).save(gru)
    said = {
        (stack, "wide.csv"): "the sequence is [1, 3], and ",
        (gru, "steps.csv"): "has no LSTM: there are no gates to draw",
        (stack, "none.csv"): "none.csv: No such file or directory",
    }
    for (model, file), sentence in said.items():
        assert main(["explain", str(model), "--input", str(tmp_path / file), "--output", str(tmp_path / "out")]) == 1
        assert sentence in capsys.readouterr().err
    line = ["explain", str(stack), "--input", str(tmp_path / "steps.csv"), "--sequence", "2"]
    assert main(line) == 1
    assert "steps.csv: holds 1 sequences, and number 2 is asked for" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
