"""Answers through the real server are Keras' own, and keep every bit whoever rides along."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carousel.client import Client
from carousel.errors import NotStateful, SnapshotRefused

TAUGHT = {"lstm128": ((100, 300), 128), "stack": ((5, 64), 256), "relu50": ((20, 1), 1)}


def close(given, expected):
    """Within 1e-5 relative, of values whose scale is that of the whole answer."""
    return np.abs(given - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max())


def in_full(model, inputs):
    """Keras' own output of every timestep: its last step for every prefix (law 2), by the same layers."""
    return np.stack([model(inputs[None, : t + 1]).numpy()[0] for t in range(len(inputs))])


@pytest.fixture(scope="module")
def tensorflow_server(serve, repository):
    with serve(repository, engine="tensorflow") as server:
        yield server


@pytest.fixture(scope="module")
def serve():
    from tests.conftest import serving  # noqa: PLC0415

    return serving


@pytest.mark.parametrize("engine", ["onnx", "tensorflow"])
@pytest.mark.parametrize("name", TAUGHT)
def test_the_taught_models_answer_as_keras_does(models, server, tensorflow_server, name, engine):
    shape, units = TAUGHT[name]
    inputs = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    with Client((server if engine == "onnx" else tensorflow_server).target) as client:
        assert client.get_model(name).engine == engine
        [last] = client.predict(name, [inputs])
        [full] = client.predict(name, [inputs], return_sequences=True)
    expected = in_full(models[name], inputs)
    assert last.output.shape == (units,)
    assert full.output.shape == (shape[0], units)
    assert close(last.output, expected[-1])
    assert close(full.output, expected)


def test_a_model_trained_by_fit_is_served_at_the_mse_it_was_judged_by(tmp_path, serve):
    keras.utils.set_random_seed(2)
    chance = np.random.default_rng(2)
    series = np.cumsum(chance.standard_normal((64, 10, 1)), axis=1).astype(np.float32) / 3
    targets = series[:, -1] + 0.1
    model = keras.Sequential([keras.Input((None, 1)), keras.layers.LSTM(50, activation="relu"), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(series, targets, epochs=5, verbose=0)
    from carousel_models.export import export  # noqa: PLC0415

    export(model, tmp_path, "fitted")
    with serve(tmp_path) as server, Client(server.target) as client:
        answers = np.stack([answer.output for answer in client.predict("fitted", list(series))])
    served = float(np.mean((answers - targets) ** 2))
    assert served == pytest.approx(model.evaluate(series, targets, verbose=0), rel=1e-4)


LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=24)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=LENGTHS, seed=st.integers(0, 2**16))
def test_no_mate_and_no_prefix_changes_a_bit(client, lengths, seed):
    chance = np.random.default_rng(seed)
    sequences = [chance.standard_normal((length, 64)).astype(np.float32) for length in lengths]
    together = client.predict("stack", sequences, return_sequences=True)
    last = client.predict("stack", sequences)
    for sequence, full, end in zip(sequences, together, last, strict=True):
        [alone] = client.predict("stack", [sequence], return_sequences=True)
        assert alone.output.tobytes() == full.output.tobytes()
        assert alone.output[-1].tobytes() == end.output.tobytes()
        cut = int(chance.integers(len(sequence))) + 1
        [prefix] = client.predict("stack", [sequence[:cut]])
        assert prefix.output.tobytes() == full.output[cut - 1].tobytes()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length=st.integers(2, 60), seed=st.integers(0, 2**16), data=st.data())
def test_a_state_returned_and_given_back_changes_no_bit(client, length, seed, data):
    sequence = np.random.default_rng(seed).standard_normal((length, 64)).astype(np.float32)
    cut = data.draw(st.integers(1, length - 1))
    [whole] = client.predict("stack", [sequence], return_sequences=True, return_state=True)
    [first] = client.predict("stack", [sequence[:cut]], return_sequences=True, return_state=True)
    [rest] = client.predict(
        "stack", [sequence[cut:]], return_sequences=True, return_state=True, initial_state=[first.state]
    )
    assert np.concatenate([first.output, rest.output]).tobytes() == whole.output.tobytes()
    assert rest.state == whole.state


def test_a_state_of_another_model_or_a_damaged_one_is_refused(client):
    [answer] = client.predict("relu50", [np.ones((3, 1))], return_state=True)
    steps = [np.ones((3, 64), np.float32)]
    with pytest.raises(SnapshotRefused, match="belongs to the model with fingerprint"):
        client.predict("stack", steps, initial_state=[answer.state])
    with pytest.raises(SnapshotRefused, match="damaged"):
        client.predict("relu50", [np.ones((3, 1))], initial_state=[answer.state[:-1] + bytes([answer.state[-1] ^ 1])])
    with pytest.raises(SnapshotRefused, match="no state of Carousel's"):
        client.predict("stack", steps, initial_state=[b"nonsense"])


def test_a_model_that_rides_whole_answers_and_has_no_states(models, client):
    inputs = [np.random.default_rng(n).standard_normal((n, 3)).astype(np.float32) for n in (4, 7, 4)]
    for given_, answer in zip(inputs, client.predict("whole", inputs), strict=True):
        assert close(answer.output, models["whole"](given_[None]).numpy()[0])
    with pytest.raises(NotStateful):
        client.predict("whole", inputs, return_state=True)
