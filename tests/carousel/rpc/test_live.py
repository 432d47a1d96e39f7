"""Live sequences through a stock stream: answers in order and to the bit, limits and refusals by name, orderly ends."""

import queue
import threading

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carousel.stubs.v1.inference_pb2 import DATA_TYPE_FLOAT32, Open, PredictRequest, StreamRequest, Tensor
from carousel.stubs.v1.inference_pb2_grpc import InferenceServiceStub


def tensor(steps):
    return Tensor(dtype=DATA_TYPE_FLOAT32, shape=steps.shape, content=np.ascontiguousarray(steps, "<f4").tobytes())


def draw(timesteps, seed=0):
    return np.random.default_rng(seed).standard_normal((timesteps, 3)).astype(np.float32)


class Talk:
    """A stream one message at a time."""

    def __init__(self, stub):
        self._outbox = queue.SimpleQueue()
        self.call = stub.Stream(iter(self._outbox.get, None), timeout=60)

    def say(self, key, steps=None, **more):
        if steps is not None:
            more["input"] = tensor(steps)
        self._outbox.put(StreamRequest(key=key, **more))

    def ask(self, key, steps=None, **more):
        self.say(key, steps, **more)
        return next(self.call)

    def end(self):
        """Half-close, and return what still comes."""
        self._outbox.put(None)
        return list(self.call)


SMALL = Open(model="small")


@pytest.fixture
def talk(stub):
    talk = Talk(stub)
    yield talk
    talk.call.cancel()


@pytest.fixture
def talk_to():
    """Open streams to servers of one's own."""
    talks = []

    def start(serving):
        channel = grpc.insecure_channel(serving.target)
        talks.append((channel, Talk(InferenceServiceStub(channel))))
        return talks[-1][1]

    yield start
    for channel, talk in talks:
        talk.call.cancel()
        channel.close()


def sessions(serving):
    return serving.on_loop(lambda: len(serving.server._sessions))


def closed(serving):
    return serving.on_loop(lambda: dict(serving.server._catalog.find("small").counters.sessions_closed))


def until(condition):
    """Wait for what another thread is about to do."""
    pause = threading.Event()
    for _ in range(1200):
        if condition():
            return
        pause.wait(0.025)
    raise AssertionError("it did not happen")


chunks = st.lists(st.integers(1, 12), min_size=1, max_size=6)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(chunks, min_size=1, max_size=5), st.integers(0, 2**32 - 1), st.booleans())
def test_live_answers_are_those_of_one_unary_call_bit_for_bit(stub, splits, seed, return_sequences):
    """Any keys, interleaved, pipelined, split anywhere; the snapshot at the end is the same one too."""
    fed = {f"key {i}": draw(sum(split), seed + i) for i, split in enumerate(splits)}
    messages, answers = [], {key: [] for key in fed}
    opened = Open(model="small", return_sequences=return_sequences)
    for turn in range(max(map(len, splits))):
        for (key, steps), split in zip(fed.items(), splits, strict=True):
            if turn < len(split):
                chunk = steps[sum(split[:turn]) : sum(split[: turn + 1])]
                message = StreamRequest(key=key, input=tensor(chunk), return_state=turn == len(split) - 1)
                if turn == 0:
                    message.open.CopyFrom(opened)
                messages.append(message)
    for response in stub.Stream(iter(messages), timeout=60):
        answers[response.key].append(response.prediction)
    request = PredictRequest(model="small", return_sequences=True, return_state=True)
    request.inputs.extend(map(tensor, fed.values()))
    for (key, steps), split, unary in zip(fed.items(), splits, stub.Predict(request).predictions, strict=True):
        whole = np.frombuffer(unary.output.content, "<f4").reshape(len(steps), 2)
        ends = np.cumsum(split)
        for answer, begin, end in zip(answers[key], [0, *ends], ends, strict=False):
            expected = whole[begin:end] if return_sequences else whole[end - 1]
            assert answer.output.content == expected.tobytes()
        assert len(answers[key]) == len(split)
        assert answers[key][-1].state == unary.state


def test_the_answer_that_opens_names_the_version_and_no_later_one_does(talk):
    first = talk.ask("a", draw(2), open=SMALL)
    assert (first.key, first.model, first.version, first.closed) == ("a", "small", 1, False)
    second = talk.ask("a", draw(2))
    assert (second.model, second.version) == ("", 0)
    last = talk.ask("a", draw(1), close=True)
    assert last.closed
    assert last.prediction.output.shape == [2]
    assert talk.end() == []


def test_a_message_may_only_open_only_ask_for_the_state_or_only_close(talk):
    opened = talk.ask("a", open=SMALL, return_state=True)
    assert opened.model == "small"
    assert opened.prediction.state == b""
    told = talk.ask("a", draw(3), return_state=True)
    assert talk.ask("a", return_state=True).prediction.state == told.prediction.state
    assert talk.ask("a", close=True).closed


def test_a_snapshot_goes_on_where_it_was_taken(talk, stub):
    steps = draw(10)
    state = talk.ask("a", steps[:4], open=SMALL, return_state=True).prediction.state
    again = talk.ask("b", steps[4:], open=Open(model="small", initial_state=state), return_state=True)
    [unary] = stub.Predict(PredictRequest(model="small", inputs=[tensor(steps)], return_state=True)).predictions
    assert again.prediction == unary
    [resumed] = stub.Predict(
        PredictRequest(model="small", inputs=[tensor(steps[4:])], initial_state=[state], return_state=True)
    ).predictions
    assert resumed == unary


OPEN_ALREADY = "open: live sequence 'a' is open already; close it first"
NOT_OPEN = "key: no live sequence 'b' is open on this stream; its first message opens it"
REFUSALS = {
    "opened twice": ({"key": "a", "open": SMALL}, "InvalidRequest", OPEN_ALREADY),
    "never opened": ({"key": "b"}, "InvalidRequest", NOT_OPEN),
    "unknown model": ({"key": "b", "open": Open(model="nope")}, "ModelNotFound", "'nope' is not served"),
    "unknown version": ({"key": "b", "open": Open(model="small", version=7)}, "ModelNotFound", "has no version 7"),
    "rides whole": ({"key": "b", "open": Open(model="whole")}, "NotStateful", "whole cannot be cut in time"),
    "no state": ({"key": "b", "open": Open(model="small", initial_state=b"?")}, "SnapshotRefused", "1 bytes that are"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_has_a_name_and_hurts_no_other_key(talk, name):
    message, reason, words = REFUSALS[name]
    talk.ask("a", draw(1), open=SMALL)
    other = talk.ask("other", draw(1), open=SMALL)
    refused = talk.ask(message["key"], **{k: v for k, v in message.items() if k != "key"})
    assert refused.closed
    assert refused.failure.reason == reason
    assert words in refused.failure.message
    assert talk.ask("other", draw(1)).prediction.output.shape == other.prediction.output.shape
    assert talk.end() == []


def test_a_key_may_be_opened_again_once_it_is_closed(talk):
    first = talk.ask("a", draw(3), open=SMALL, close=True)
    assert talk.ask("a", draw(3), open=SMALL).prediction.output == first.prediction.output


def test_half_closing_answers_what_was_sent_and_closes_the_rest(server, talk_to):
    serving = server()
    talk = talk_to(serving)
    for i in range(50):
        talk.say("a", draw(20, i), **({"open": SMALL} if i == 0 else {}))
    assert len(talk.end()) == 50
    assert talk.call.code() is grpc.StatusCode.OK
    assert sessions(serving) == 0
    assert closed(serving) == {"half_closed": 1}


def test_the_limits_on_live_sequences_are_named(server, talk_to):
    serving = server(max_sessions=3, max_sessions_per_stream=2)
    one, two = talk_to(serving), talk_to(serving)
    for key in "ab":
        assert not one.ask(key, open=SMALL).closed
    refused = one.ask("c", open=SMALL)
    assert refused.failure.reason == "Overloaded"
    assert "2 live sequences are open on this stream, and that is the limit" in refused.failure.message
    assert not two.ask("c", open=SMALL).closed
    refused = two.ask("d", open=SMALL)
    assert "3 live sequences are open, and that is the limit" in refused.failure.message
    assert one.ask("a", close=True).closed
    assert not two.ask("d", open=SMALL).closed


def test_what_is_idle_for_too_long_expires_by_name(server, talk_to):
    serving = server(session_idle_seconds=0.05)
    talk = talk_to(serving)
    talk.ask("a", draw(1), open=SMALL)
    told = next(talk.call)
    assert told.closed
    assert told.failure.reason == "SessionExpired"
    assert told.failure.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert sessions(serving) == 0
    assert closed(serving) == {"SessionExpired": 1}


def test_a_client_that_vanishes_leaves_nothing_behind(server, talk_to):
    serving = server()
    talk = talk_to(serving)
    for key in "abc":
        talk.ask(key, draw(1), open=SMALL)
    talk.say("a", draw(500_000))
    talk.call.cancel()
    until(lambda: sessions(serving) == 0)
    until(lambda: serving.on_loop(lambda: all(not (m.waiting or m.running) for m in serving.server._catalog)))
    assert closed(serving) == {"client_gone": 3}


def test_a_drain_sends_each_away_with_its_snapshot_after_all_its_answers(server, talk_to, stub):
    serving = server()
    talk = talk_to(serving)
    steps = draw(30)
    for key in "ab":
        talk.ask(key, steps[:10], open=SMALL)
    talk.say("a", steps[10:20])
    until(lambda: serving.on_loop(lambda: serving.server._catalog.find("small").counters.sequences["done"]) == 3)
    assert next(talk.call).key == "a"
    serving.server.drain()
    told = [next(talk.call), next(talk.call)]
    assert all(response.closed for response in told)
    away = {response.key: response.going_away.state for response in told}
    with pytest.raises(grpc.RpcError) as caught:
        next(talk.call)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    [unary] = stub.Predict(PredictRequest(model="small", inputs=[tensor(steps)])).predictions
    for key, begin in (("a", 20), ("b", 10)):
        rest = PredictRequest(model="small", inputs=[tensor(steps[begin:])], initial_state=[away[key]])
        assert stub.Predict(rest).predictions[0].output == unary.output
    assert serving.join() == 0


def test_a_version_that_is_unloaded_sends_its_live_sequences_away(server, talk_to, only, stub):
    """The stream stays, and the model's other versions with it."""
    folder = only("small", "relu50")
    serving = server(repository=folder, session_drain_seconds=0)
    talk = talk_to(serving)
    talk.ask("a", draw(10), open=SMALL)
    (folder / "small" / "1").unlink()
    told = next(talk.call)
    assert told.closed
    [rest] = stub.Predict(
        PredictRequest(model="small", inputs=[tensor(draw(5, 1))], initial_state=[told.going_away.state])
    ).predictions
    whole = PredictRequest(model="small", inputs=[tensor(np.concatenate([draw(10), draw(5, 1)]))])
    assert rest.output == stub.Predict(whole).predictions[0].output
    assert not talk.ask("b", open=Open(model="relu50")).closed
    assert talk.ask("a", open=SMALL).failure.reason == "ModelNotFound"
