"""A model in one's own process answers as the server does, bit for bit."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import carousel
from carousel.errors import InvalidRequest, ModelRejected, NotStateful


@pytest.fixture(scope="module")
def models(repository):
    """Each model, loaded once."""
    return {name: carousel.load(repository / name) for name in ("small", "stack", "whole")}


def draw(length, model, seed):
    shape = (length, *model.signature.features)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(["small", "stack", "whole"]),
    lengths=st.lists(st.integers(1, 80), max_size=30),
    return_sequences=st.booleans(),
)
def test_in_company_and_alone_and_from_a_server_the_answers_are_equal(models, client, name, lengths, return_sequences):
    model = models[name]
    sequences = [draw(length, model, i) for i, length in enumerate(lengths)]
    answers = model.predict(sequences, return_sequences=return_sequences)
    alone = [model.predict([steps], return_sequences=return_sequences)[0] for steps in sequences]
    assert [a.tobytes() for a in answers] == [a.tobytes() for a in alone]
    if sequences:
        served = client.predict(name, sequences, return_sequences=return_sequences)
        assert [a.tobytes() for a in answers] == [s.output.tobytes() for s in served]


def test_any_cut_of_a_sequence_that_goes_on_gives_the_same_bits(models):
    model, state, outputs = models["stack"], None, []
    steps = draw(50, model, 1)
    [expected] = model.predict([steps], return_sequences=True)
    for part in np.array_split(steps, [1, 2, 30]):
        given, state = model.advance(part, state)
        outputs.append(given)
    assert np.concatenate(outputs).tobytes() == expected.tobytes()
    with pytest.raises(NotStateful, match="whole cannot be cut in time"):
        models["whole"].advance(np.zeros((2, 3)))


def test_what_comes_is_taken_as_it_is_needed(models):
    """A million sequences cost no more memory than some hundreds."""
    model, taken = models["small"], []

    def endless():
        while True:
            taken.append(None)
            yield draw(5, model, 0)

    answers = model.run(endless())
    for _ in range(3):
        next(answers)
    assert len(taken) < 4 * model.version.costs.max_rows + 4


def test_threads_may_share_a_model(models):
    model = models["small"]
    sequences = [draw(length, model, length) for length in range(1, 40)]
    expected = [a.tobytes() for a in model.predict(sequences)]
    found = []
    threads = [
        threading.Thread(target=lambda: found.append([a.tobytes() for a in model.predict(sequences)])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [expected] * 4


def test_what_does_not_suit_the_model_is_named(models, tmp_path):
    model = models["small"]
    with pytest.raises(InvalidRequest, match=r"sequences\[1\]\.shape: has input_dim 2, the model takes 3"):
        model.predict([np.zeros((2, 3)), np.zeros((2, 2))])
    with pytest.raises(InvalidRequest, match=r"sequences\[0\]\.content: holds nan"):
        model.predict([np.full((2, 3), np.nan)])
    with pytest.raises(ModelRejected, match="expected the folder of a version"):
        carousel.load(tmp_path)
