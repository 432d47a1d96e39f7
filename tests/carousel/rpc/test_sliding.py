"""A live sequence of fixed timesteps slides: each new step is answered as Predict answers its last window."""

import time
from contextlib import suppress

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers

from carousel.cli.main import main
from carousel.client import Client
from carousel.errors import InvalidRequest, NotStateful, Overloaded, SnapshotRefused
from carousel_models.export import export
from carousel_models.refusals import ExportRefused

MODELS = {
    "steps": [layers.Input((6, 3)), layers.LSTM(4, return_sequences=True), layers.LSTM(3), layers.Dense(2)],
    "flat": [layers.Input((6, 3)), layers.LSTM(4, return_sequences=True), layers.Flatten(), layers.Dense(2)],
    "both": [layers.Input((6, 3)), layers.Bidirectional(layers.LSTM(4, return_sequences=True))],
    "free": [layers.Input((None, 3)), layers.LSTM(4), layers.Dense(2)],
    "both-free": [layers.Input((None, 3)), layers.Bidirectional(layers.LSTM(4))],
    "tokens": [layers.Input((6,), dtype="int32"), layers.Embedding(20, 4, mask_zero=True), layers.LSTM(3)],
}


@pytest.fixture(scope="module")
def sliding(tmp_path_factory, started):
    """Serve models of six timesteps, stepwise and whole, and of any."""
    repository = tmp_path_factory.mktemp("repository")
    keras.utils.set_random_seed(4)
    for name, stack in MODELS.items():
        export(keras.Sequential(stack), repository, name)
    serving = started(repository=repository)
    with Client(serving.target) as client:
        yield client
    serving.stop()


def drawn(name, timesteps):
    """Draw a history for a model."""
    rng = np.random.default_rng(timesteps)
    return rng.integers(0, 20, timesteps) if name == "tokens" else rng.standard_normal((timesteps, 3), np.float32)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(MODELS)), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=8), every=st.booleans()
)
def test_each_step_is_answered_as_predict_answers_its_window(sliding, name, sizes, every):
    """However the steps are cut into messages, bit for bit, from the first full window on."""
    history = drawn(name, sum(sizes))
    fixed = "free" not in name
    with sliding.live(name, window=0 if fixed else 6, return_sequences=every) as live:
        answers = [live.feed(part).output for part in np.split(history, np.cumsum(sizes)[:-1])]
    for end, size, answer in zip(np.cumsum(sizes), sizes, answers, strict=True):
        ends = range(end - size + 1, end + 1) if every else [end]
        windows = [history[max(0, e - 6) : e] for e in ends if e >= 6 or not fixed]
        expected = [each.output for each in sliding.predict(name, windows)] if windows else []
        assert answer.tobytes() == b"".join(each.tobytes() for each in expected)


def test_a_snapshot_keeps_the_window(sliding):
    """Who goes on from it gets what the old sequence would have given; other kinds of state are refused."""
    history = drawn("steps", 20)
    with sliding.live("steps") as live:
        state = live.feed(history[:9], return_state=True).state
        expected = live.feed(history[9:10]).output
    with sliding.live("steps", initial_state=state) as live:
        assert live.feed(history[9:10]).output.tobytes() == expected.tobytes()
    with sliding.live("free") as live:
        running = live.feed(history[:9], return_state=True).state
    with sliding.live("free", window=6, initial_state=running) as live, pytest.raises(SnapshotRefused, match="window"):
        live.feed(history[:1])
    with sliding.live("free", window=6) as live:
        kept = live.feed(history[:9], return_state=True).state
    with sliding.live("free", window=5, initial_state=kept) as live, pytest.raises(SnapshotRefused, match="keeps 5"):
        live.feed(history[:1])


REFUSED = {
    "another window": ("steps", 7, InvalidRequest, "is 7, the model takes exactly 6 timesteps"),
    "a negative one": ("free", -1, InvalidRequest, "is -1"),
    "too large": ("free", 1 << 40, InvalidRequest, "a live sequence keeps at most"),
    "none on a whole model": ("both-free", 0, NotStateful, "open it with a window of timesteps, and it slides"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_window_that_cannot_be_is_refused_by_name(sliding, case):
    """With what the model takes."""
    name, window, error, words = REFUSED[case]
    with sliding.live(name, window=window) as live, pytest.raises(error, match=words):
        live.feed(drawn(name, 1))


def test_more_windows_than_a_request_may_have_sequences_are_refused(sliding):
    """A message of many timesteps with return_sequences is as many windows; the last alone is one."""
    history = drawn("steps", 5000)
    with sliding.live("steps", return_sequences=True) as live, pytest.raises(InvalidRequest, match="each a window"):
        live.feed(history)
    with sliding.live("steps") as live:
        (expected,) = sliding.predict("steps", [history[-6:]])
        assert live.feed(history).output.tobytes() == expected.output.tobytes()


def test_all_windows_together_are_bounded(server, only):
    """By max_held_bytes: what does not fit is refused, until others end."""
    serving = server(repository=only("small"), max_held_bytes=2000)
    with Client(serving.target) as client, client.fleet() as fleet:
        first = fleet.open("small", "first", window=100)  # 100 timesteps of 3 floats
        first.feed(drawn("free", 1))
        with pytest.raises(Overloaded, match="the windows of live sequences may take 1200 bytes, this one 1200 more"):
            fleet.open("small", "second", window=100).feed(drawn("free", 1))
        first.close()
        for _ in range(600):  # the two go over streams of their own, so the second may come before the end of the first
            with suppress(Overloaded), client.live("small", window=100) as again:
                assert again.feed(drawn("free", 1)).output.size
                return
            time.sleep(0.05)
        pytest.fail("the window that was closed still counts")


def test_timesteps_that_the_author_fixed_stay_fixed(sliding, tmp_path, capsys):
    """Other lengths are refused naming it; --any-length frees a stepwise model, and refuses one that cannot be cut."""
    for timesteps in (5, 7, 40):
        with pytest.raises(InvalidRequest, match=f"has {timesteps} timesteps, the model takes exactly 6"):
            sliding.predict("steps", [drawn("steps", timesteps)])
    assert sliding.get_model("steps").timesteps == 6
    keras.utils.set_random_seed(4)
    model = keras.Sequential([layers.Input((6, 3)), layers.LSTM(4), layers.Dense(2)])
    model.save(tmp_path / "fixed.keras")
    command = ["export", str(tmp_path / "fixed.keras"), "--repository", str(tmp_path / "r"), "--name", "m"]
    assert main([*command, "--any-length"]) == 0
    capsys.readouterr()
    assert main(["inspect", str(tmp_path / "r" / "m" / "1")]) == 0
    assert "takes        inputs float32 [?, ?, 3]" in capsys.readouterr().out
    with pytest.raises(ExportRefused, match="--any-length: the model needs its 6 timesteps: layer 'flatten"):
        export(keras.Sequential(MODELS["flat"]), tmp_path / "r", "flat", any_length=True)
    assert not (tmp_path / "r" / "flat").exists()
