"""Live sequences through real sockets: equal to unary bit for bit, and refused by name."""

import asyncio
import json
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest
from aeon.datasets import load_japanese_vowels
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from carousel import errors
from carousel.cli import main
from carousel.client import AsyncClient, Client
from carousel_models.export import export

STEP = np.ones((1, 3), np.float32)


def until(true):
    """Wait for what happens on another thread."""
    for _ in range(1000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within 10 s")


@pytest.fixture(scope="module")
def shaped(tmp_path_factory, started):
    """A server of a model for each data set: days of weather, and the coefficients of a spoken vowel."""
    repository = tmp_path_factory.mktemp("shaped")
    keras.utils.set_random_seed(5)
    weather = [layers.Input((None, 4)), layers.LSTM(48, return_sequences=True), layers.LSTM(24), layers.Dense(1)]
    vowels = [layers.Input((None, 12)), layers.LSTM(64), layers.Dense(9, activation="softmax")]
    export(keras.Sequential(weather), repository, "weather")
    export(keras.Sequential(vowels), repository, "vowels")
    serving = started(repository=repository)
    with Client(serving.target) as client, client.fleet() as fleet:
        yield client, fleet
    serving.stop()


@cache
def recorded(name):
    """The data set: 1,461 days of weather in one piece, or 640 vowels of 7 to 29 timesteps."""
    if name == "weather":
        table = Path(__file__).parents[3] / "models" / "datasets" / "seattle_weather.csv"
        return [np.loadtxt(table, np.float32, delimiter=",", skiprows=1, usecols=(1, 2, 3, 4))]
    return [vowel.T.astype(np.float32) for vowel in load_japanese_vowels()[0]]


def drawn(name, rng):
    """Up to 60 timesteps of the data set, from anywhere in it."""
    whole = recorded(name)[rng.integers(len(recorded(name)))]
    begin = int(rng.integers(len(whole)))
    return whole[begin : begin + int(rng.integers(1, 61))]


cases = {
    "name": st.sampled_from(["weather", "vowels"]),
    "seed": st.integers(0, 2**32 - 1),
    "cuts": st.sets(st.integers(1, 59), max_size=12),
    "full": st.booleans(),
}


def check(shaped, name, seed, cuts, full):
    client, fleet = shaped
    steps = drawn(name, np.random.default_rng(seed))
    parts = np.split(steps, sorted(cut for cut in cuts if cut < len(steps)))
    whole = client.predict(name, [steps], return_sequences=True)[0].output
    sequence = fleet.open(name, return_sequences=full)
    outputs = [answer.result(30).output for answer in [sequence.send(part) for part in parts]]
    sequence.close()
    ends = np.cumsum([len(part) for part in parts]) - 1
    expected = whole if full else whole[ends]
    received = np.concatenate(outputs) if full else np.stack(outputs)
    assert received.tobytes() == expected.tobytes()


@settings(max_examples=300, deadline=None)
@given(**cases)
def test_a_live_sequence_equals_one_unary_call_bit_for_bit_however_it_is_split(shaped, name, seed, cuts, full):
    """Neither the messages' boundaries nor pipelining changes a bit."""
    check(shaped, name, seed, cuts, full)


@pytest.mark.soak
@settings(max_examples=10_000, deadline=None)
@given(**cases)
def test_ten_thousand_live_sequences_equal_unary_calls(shaped, name, seed, cuts, full):
    """The same, many more times."""
    check(shaped, name, seed, cuts, full)


def test_a_state_returned_begins_another_sequence_or_a_unary_call(client):
    """A snapshot goes on where it was taken: in a new live sequence, and in Predict."""
    steps = np.random.default_rng(3).standard_normal((9, 3)).astype(np.float32)
    whole = client.predict("small", [steps])[0].output
    with client.live("small") as sequence:
        state = sequence.feed(steps[:4], return_state=True).state
        assert sequence.feed(steps[4:]).state == b""
    with client.live("small", initial_state=state) as sequence:
        assert sequence.feed(steps[4:]).output.tobytes() == whole.tobytes()
    again = client.predict("small", [steps[4:]], initial_state=[state])[0].output
    assert again.tobytes() == whole.tobytes()


def test_one_keys_error_is_its_own(client):
    """The error is the server's class and names the fault; the stream's other sequences go on; the key stays ended."""
    with client.fleet() as fleet:
        good, bad = fleet.open("small", "good"), fleet.open("small", "bad")
        good.feed(STEP)
        bad.feed(STEP)
        with pytest.raises(errors.InvalidRequest, match=r"input\.shape: has input_dim 2, the model takes 3"):
            bad.feed(np.ones((1, 2)))
        with pytest.raises(errors.InvalidRequest):
            bad.feed(STEP)
        twice = client.predict("small", [np.ones((2, 3))])[0].output
        assert good.feed(STEP).output.tobytes() == twice.tobytes()


def test_what_cannot_be_live_is_refused_by_name(client, serving):
    """No such model or version, a model that rides whole, and a snapshot damaged, cut or of another model."""
    state = client.predict("small", [STEP], return_state=True)[0].state
    damaged = state[:-5] + bytes([state[-5] ^ 1]) + state[-4:]
    refusals = [
        (errors.ModelNotFound, "nobody", {}),
        (errors.ModelNotFound, "small", {"version": 9}),
        (errors.NotStateful, "whole", {}),
        (errors.SnapshotRefused, "relu50", {"initial_state": state}),
        (errors.SnapshotRefused, "small", {"initial_state": state[:-1]}),
        (errors.SnapshotRefused, "small", {"initial_state": damaged}),
    ]
    with client.fleet() as fleet:
        for kind, model, options in refusals:
            with pytest.raises(kind):
                fleet.open(model, **options).feed(STEP)

    async def same():
        async with AsyncClient(serving.target) as another, another.fleet() as fleet:
            for kind, model, options in refusals:
                with pytest.raises(kind):
                    await fleet.open(model, **options).feed(STEP)
            assert (await fleet.open("small").feed(STEP)).output.shape == (2,)

    asyncio.run(same())


def test_the_limits_on_live_sequences_are_kept_and_room_is_made_again(server):
    """One too many on the server or on the stream is Overloaded; closing one makes room."""
    serving = server(max_sessions=3, max_sessions_per_stream=2)
    with Client(serving.target) as client, client.fleet() as one, client.fleet() as two:
        first, second = one.open("small"), one.open("small")
        first.feed(STEP)
        second.feed(STEP)
        with pytest.raises(errors.Overloaded, match="2 live sequences are open on this stream"):
            one.open("small").feed(STEP)
        two.open("small").feed(STEP)
        with pytest.raises(errors.Overloaded, match="3 live sequences are open, and that is the limit"):
            two.open("small").feed(STEP)
        first.close()
        one.open("small").feed(STEP)


def test_a_sequence_idle_for_too_long_expires_by_name(server):
    """The caller hears SessionExpired, not an answer that began anew."""
    with Client(server(session_idle_seconds=0.2).target) as client, client.live("small") as sequence:
        sequence.feed(STEP)
        until(lambda: sequence._session.error is not None)
        with pytest.raises(errors.SessionExpired, match="was idle for"):
            sequence.feed(STEP)


def test_feeding_waits_while_too_much_is_unanswered(client, serving):
    """However fast the caller is, no more than max_unanswered messages are under way."""
    with client.fleet(max_unanswered=4) as fleet:
        sequence = fleet.open("small")
        answers = [sequence.send(STEP) for _ in range(200)]
        assert fleet._room._value <= 4
        assert sum(not answer.done() for answer in answers) <= 4
        assert len([answer.result(30) for answer in answers]) == 200

    async def same():
        async with AsyncClient(serving.target) as another, another.fleet(max_unanswered=4) as fleet:
            sequence = fleet.open("small")
            answers = []
            for _ in range(200):
                answers.append(await sequence.send(STEP))
                assert sum(not answer.done() for answer in answers) <= 4
            await asyncio.gather(*answers)

    asyncio.run(same())


def test_closing_gives_up_what_is_unanswered_and_ends_the_sequence(client):
    """After close nobody waits for ever, and feeding again says why not."""
    with client.fleet() as fleet:
        sequence = fleet.open("small", "pump")
        sequence.feed(STEP)
        sequence.close()
        with pytest.raises(errors.Cancelled, match="live sequence 'pump' was closed"):
            sequence.feed(STEP)
        other = fleet.open("small")
        other.feed(STEP)
    with pytest.raises(errors.Cancelled):
        other.feed(STEP)


def test_the_command_feeds_lines_as_they_come_and_names_a_bad_one(serving, client, tmp_path, capsys):
    """One line in, one line out; from a file or standard input."""
    steps = np.random.default_rng(8).standard_normal((5, 3)).astype(np.float32)
    whole = client.predict("small", [steps], return_sequences=True)[0].output
    lines = tmp_path / "steps.csv"
    np.savetxt(lines, steps, delimiter=",")
    assert main(["stream", "small", str(lines), "--target", serving.target]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert np.array(printed, np.float32).tobytes() == whole.tobytes()

    command = [sys.executable, "-m", "carousel", "stream", "small", "--target", serving.target]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for step, expected in zip(steps, whole, strict=True):
            process.stdin.write(",".join(map(repr, step.tolist())) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline()) == expected.tolist()
        process.stdin.close()
        assert process.wait(30) == 0

    lines.write_text("1,2,3\n1,two,3\n")
    assert main(["stream", "small", str(lines), "--target", serving.target]) == 1
    assert "steps.csv: line 2, column 2: expected a number, got 'two'" in capsys.readouterr().err


def test_who_feeds_through_a_closed_client_is_told(serving):
    """Not left to wait for an answer that cannot come."""
    closed = Client(serving.target)
    fleet = closed.fleet()
    closed.close()
    with pytest.raises(errors.Cancelled, match="the client was closed"):
        fleet.open("small").feed(STEP)

    async def same():
        closed = AsyncClient(serving.target)
        fleet = closed.fleet()
        await closed.close()
        with pytest.raises(errors.Cancelled, match="the client was closed"):
            await fleet.open("small").feed(STEP)

    asyncio.run(same())
