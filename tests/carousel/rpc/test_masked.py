"""Masked timesteps are left out before they run, and every answer keeps every bit, as a whole and live."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers

from carousel.client import Client
from carousel.serving import load_version
from carousel_models.export import export

MODELS = {
    "vectors": [layers.Input((None, 3)), layers.Masking(0.5), layers.LSTM(4, return_sequences=True), layers.Dense(2)],
    "tokens": [layers.Input((None,), dtype="int32"), layers.Embedding(9, 4, mask_zero=True), layers.GRU(3)],
}


@pytest.fixture(scope="module")
def masked(tmp_path_factory, started):
    """A client of both models, and what each answers by its engine, which is given all timesteps at once."""
    repository = tmp_path_factory.mktemp("repository")
    keras.utils.set_random_seed(4)
    versions = {name: load_version(export(keras.Sequential(stack), repository, name)) for name, stack in MODELS.items()}
    assert [version.signature.mask_value for version in versions.values()] == [0.5, 0]
    serving = started(repository=repository)
    try:
        with Client(serving.target) as client:
            yield client, versions
    finally:
        serving.stop()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(MODELS)),
    mask=st.lists(st.booleans(), min_size=1, max_size=20),
    cuts=st.sets(st.integers(1, 19)),
)
def test_left_out_or_not_every_answer_has_the_same_bits(masked, name, mask, cuts):
    """Predict's every step and last one, and live messages of any sizes, those of masked timesteps alone too."""
    client, versions = masked
    rng = np.random.default_rng(len(mask))
    if name == "tokens":
        sequence = np.where(mask, 0, rng.integers(1, 9, len(mask))).astype(np.int32)
    else:
        sequence = np.where(np.array(mask)[:, None], 0.5, rng.standard_normal((len(mask), 3))).astype(np.float32)
    version = versions[name]
    outputs, state = version.engine.run(sequence[:, None], np.zeros((1, version.state_width), np.float32))
    expected = outputs[:, 0]
    (every,) = client.predict(name, [sequence], return_sequences=True, return_state=True)
    (last,) = client.predict(name, [sequence])
    assert every.output.tobytes() == expected.tobytes()
    assert last.output.tobytes() == expected[-1].tobytes()
    assert state[0].tobytes() in every.state
    with client.live(name, return_sequences=True) as live:
        parts = np.split(sequence, sorted(cut for cut in cuts if cut < len(mask)))
        answers = [live.feed(part, return_state=True) for part in parts]
    assert b"".join(answer.output.tobytes() for answer in answers) == expected.tobytes()
    assert answers[-1].state == every.state
