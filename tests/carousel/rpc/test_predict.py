"""Predict answers as Keras does, on both engines; and whoever rides beside, to the last bit the same."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carousel.artifact import TOLERANCE, disagreement
from carousel.client import Client
from carousel.errors import DeadlineExceeded, InvalidRequest, Overloaded

TEACHING = {"lstm128": (100, 300), "stack": (5, 64), "relu50": (10, 1)}


@pytest.fixture(scope="module", params=["onnx", "tensorflow"])
def teaching(request, only, started):
    """A client of a server of the three models that teach, on one engine or the other."""
    serving = started(repository=only(*TEACHING), engine=request.param)
    with Client(serving.target) as client:
        assert {model.engine for model in client.list_models()} == {request.param}
        yield client
    serving.stop()


@pytest.mark.parametrize("name", TEACHING)
def test_the_models_that_teach_answer_as_keras(teaching, repository, name):
    """Both kinds of output, for lengths that the model was never shown."""
    model = keras.models.load_model(repository / name / "own.keras")
    timesteps, input_dim = TEACHING[name]
    chance = np.random.default_rng(0)
    sequences = [
        chance.standard_normal((length, input_dim)).astype(np.float32) for length in (timesteps, 1, timesteps + 7)
    ]
    last = teaching.predict(name, sequences, timeout=60)
    full = teaching.predict(name, sequences, return_sequences=True, timeout=60)
    for sequence, short, long in zip(sequences, last, full, strict=True):
        expected = model(sequence[None]).numpy()[0]
        assert short.output.shape == expected.shape == (model.output_shape[-1],)
        assert disagreement(short.output, expected, TOLERANCE) == ""
        assert long.output.shape == (len(sequence), model.output_shape[-1])
        assert disagreement(long.output[-1], expected, TOLERANCE) == ""
        for prefix in (1, (len(sequence) + 1) // 2):
            # Law: the full sequence is what the last step would have been for every prefix.
            assert disagreement(long.output[prefix - 1], model(sequence[None, :prefix]).numpy()[0], TOLERANCE) == ""


@pytest.mark.parametrize("name", ["whole", "fixed"])
def test_models_that_ride_whole_answer_as_keras(client, repository, name):
    """Beside mates of other lengths, where they have any."""
    model = keras.models.load_model(repository / name / "own.keras")
    lengths = [6, 6, 6] if name == "fixed" else [3, 7, 3, 1]
    sequences = [np.random.default_rng(i).standard_normal((n, 3)).astype(np.float32) for i, n in enumerate(lengths)]
    for sequence, answer in zip(sequences, client.predict(name, sequences, timeout=30), strict=True):
        expected = model(sequence[None]).numpy()[0]
        assert disagreement(answer.output, expected if name == "fixed" else expected[-1], TOLERANCE) == ""
    if name == "whole":
        for sequence, answer in zip(sequences, client.predict(name, sequences, return_sequences=True), strict=True):
            assert disagreement(answer.output, model(sequence[None]).numpy()[0], TOLERANCE) == ""


def test_an_answer_may_be_longer_than_its_sequence(client, repository):
    """Twice as many timesteps as came, beside batch-mates of the same length and of others."""
    model = keras.models.load_model(repository / "longer" / "own.keras")
    sequences = [
        np.random.default_rng(i).standard_normal((n, 3)).astype(np.float32) for i, n in enumerate([3, 7, 3, 1])
    ]
    for sequence, answer in zip(sequences, client.predict("longer", sequences, return_sequences=True), strict=True):
        assert answer.output.shape == (2 * len(sequence), 4)
        assert disagreement(answer.output, model(sequence[None]).numpy()[0], TOLERANCE) == ""
    for sequence, answer in zip(sequences, client.predict("longer", sequences), strict=True):
        assert disagreement(answer.output, model(sequence[None]).numpy()[0, -1], TOLERANCE) == ""


def test_a_model_trained_by_fit_is_served_at_the_mse_it_was_judged_by(client, repository):
    model = keras.models.load_model(repository / "relu50" / "own.keras")
    chance = np.random.default_rng(2)
    series = np.cumsum(chance.standard_normal((64, 10, 1)), axis=1).astype(np.float32) / 3
    targets = series[:, -1] + 0.1
    answers = np.stack([answer.output for answer in client.predict("relu50", list(series))])
    served = float(np.mean((answers - targets) ** 2))
    assert served == pytest.approx(model.evaluate(series, targets, verbose=0), rel=1e-4)


lengths = st.lists(st.integers(1, 40), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths, st.sampled_from(["small", "stack", "relu50"]), st.integers(0, 2**32 - 1), st.booleans())
def test_mates_change_no_bit(client, lengths, name, seed, return_sequences):
    """The one promise, through sockets: each answer is what its sequence gets alone."""
    chance = np.random.default_rng(seed)
    dim = {"small": 3, "stack": 64, "relu50": 1}[name]
    sequences = [chance.standard_normal((length, dim)).astype(np.float32) for length in lengths]
    options = {"return_sequences": return_sequences, "return_state": True, "timeout": 60}
    together = client.predict(name, sequences, **options)
    for sequence, beside in zip(sequences, together, strict=True):
        [alone] = client.predict(name, [sequence], **options)
        assert beside.output.tobytes() == alone.output.tobytes()
        assert beside.state == alone.state
        if return_sequences:
            cut = int(chance.integers(len(sequence))) + 1
            [prefix] = client.predict(name, [sequence[:cut]], timeout=60)
            assert prefix.output.tobytes() == beside.output[cut - 1].tobytes()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 15), min_size=2, max_size=5), st.integers(0, 2**32 - 1))
def test_a_state_goes_there_and_back_without_losing_a_bit(client, chunks, seed):
    """Chunk after chunk, each from the state the last returned, is the whole sequence in one call."""
    sequence = np.random.default_rng(seed).standard_normal((sum(chunks), 64)).astype(np.float32)
    options = {"return_sequences": True, "return_state": True, "timeout": 60}
    [whole] = client.predict("stack", [sequence], **options)
    outputs, state, begin = [], b"", 0
    for chunk in chunks:
        [answer] = client.predict("stack", [sequence[begin : begin + chunk]], initial_state=[state], **options)
        outputs.append(answer.output)
        state = answer.state
        begin += chunk
    assert np.concatenate(outputs).tobytes() == whole.output.tobytes()
    assert state == whole.state


def test_each_sequence_of_a_request_starts_from_its_own_state(client):
    """An empty state among others is the beginning."""
    chance = np.random.default_rng(5)
    first, then = chance.standard_normal((2, 6, 3)).astype(np.float32)
    [before] = client.predict("small", [first], return_state=True)
    [fresh] = client.predict("small", [then])
    [after] = client.predict("small", [then], initial_state=[before.state])
    mixed = client.predict("small", [then, then, then], initial_state=[b"", before.state, b""])
    expected = [fresh.output, after.output, fresh.output]
    assert [answer.output.tobytes() for answer in mixed] == [output.tobytes() for output in expected]


def test_a_deadline_that_passes_is_an_error_of_its_name(server, only):
    """And the server does no more of the work: the sequence is counted as gone."""
    serving = server(repository=only("stack"))
    with Client(serving.target) as client, pytest.raises((DeadlineExceeded, Overloaded)):
        client.predict("stack", [np.zeros((60_000, 64), np.float32)], timeout=0.3)
    for _ in range(500):
        if not serving.on_loop(lambda: sum(m.waiting + m.running for m in serving.server._catalog)):
            return
    raise AssertionError("an abandoned sequence still rides")


def test_what_its_deadline_cannot_meet_is_refused_before_its_tensors_are_read(server, only):
    """With when to come back; these tensors are wrong as well, and nobody looked."""
    serving = server(repository=only("relu50"))
    wrong = np.full((900_000, 1), np.nan, np.float32)
    with Client(serving.target) as client:
        client.wait_until_serving(timeout=60)
        needed = serving.on_loop(lambda: serving.server._catalog.find("relu50").version.costs.work_seconds(900_000))
        with pytest.raises(Overloaded, match="its deadline is") as refused:
            client.predict("relu50", [wrong], timeout=needed / 2)
        assert refused.value.retry_after > 0
        with pytest.raises(InvalidRequest, match="only finite values are taken"):
            client.predict("relu50", [wrong], timeout=60)
