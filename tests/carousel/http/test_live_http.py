"""Live sequences over WebSocket: bit for bit those of carousel.v1, in order, bounded, refused by name, sent on."""

import base64
import json
import re
import socket
import struct
import time
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.carousel.http.bits import equal_bits


def draw(timesteps, seed=0):
    """Random timesteps of three features."""
    return np.random.default_rng(seed).standard_normal((timesteps, 3)).astype(np.float32)


class Talk:
    """One connection, JSON both ways."""

    def __init__(self, connection):
        self.connection = connection

    def send(self, steps=None, **message):
        self.connection.send(json.dumps(({} if steps is None else {"input": np.asarray(steps).tolist()}) | message))

    def receive(self):
        return json.loads(self.connection.recv(timeout=30))

    def ask(self, steps=None, **message):
        self.send(steps, **message)
        return self.receive()

    def ends(self):
        """Give the code that the server closes by, once nothing more comes."""
        with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012 - whichever message it is that does not come
            while True:
                self.connection.recv(timeout=30)
        return closed.value.rcvd.code


@contextmanager
def talking(serving, path, **options):
    """Connect to a path under /v1/models."""
    address = f"ws://127.0.0.1:{serving.server.http_port}/v1/models/{path}"
    with connect(address, max_size=None, open_timeout=30, close_timeout=5, **options) as connection:
        yield Talk(connection)


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from(["small", "fixed", "whole"]),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=8),
    every=st.booleans(),
    at_once=st.booleans(),
)
def test_every_answer_is_that_of_carousel_v1_bit_for_bit(serving, client, name, sizes, every, at_once):
    """Of models whose state goes on and of those that slide; message by message, or all sent before any is read."""
    window = 5 if name == "whole" else 0
    parts = np.split(draw(sum(sizes), len(sizes)), np.cumsum(sizes)[:-1])
    with client.live(name, window=window, return_sequences=every) as live:
        known = [live.feed(part).output for part in parts]
    opening = {"open": {"window": window, "return_sequences": every}}
    with talking(serving, f"{name}/live") as talk:
        if at_once:
            for i, part in enumerate(parts):
                talk.send(part, **(opening if i == 0 else {}))
            answers = [talk.receive() for _ in parts]
        else:
            answers = [talk.ask(part, **(opening if i == 0 else {})) for i, part in enumerate(parts)]
    assert (answers[0].pop("model"), answers[0].pop("version")) == (name, 1)
    for answer, output in zip(answers, known, strict=True):
        assert answer.keys() <= {"output"}
        assert equal_bits(answer.get("output", []), output)


@pytest.mark.parametrize("name", ["small", "fixed"])
def test_a_snapshot_goes_on_where_it_was_taken_over_either_protocol(serving, client, name):
    steps = draw(20)
    with client.live(name) as live:
        live.feed(steps[:12])
        known = live.feed(steps[12:]).output
    with talking(serving, f"{name}/versions/1/live") as talk:
        state = talk.ask(steps[:12], return_state=True)["state"]
    with talking(serving, f"{name}/live") as talk:
        answer = talk.ask(steps[12:], open={"initial_state": state}, return_state=True)
        assert equal_bits(answer["output"], known)
    with client.live(name, initial_state=base64.b64decode(state)) as live:
        assert live.feed(steps[12:], return_state=True).state == base64.b64decode(answer["state"])


def test_a_message_may_only_open_or_close(serving, client):
    """The last one is answered, and the connection ends in good order."""
    steps = draw(4)
    [known] = client.predict("small", [steps])
    with talking(serving, "small/live") as talk:
        assert talk.ask(return_state=True) == {"model": "small", "version": 1, "state": ""}
        assert equal_bits(talk.ask(steps)["output"], known.output)
        assert talk.ask(close=True) == {"closed": True}
        assert talk.ends() == 1000


@pytest.mark.parametrize("name", ["small", "fixed"])
def test_inputs_and_outputs_go_by_the_authors_names(serving, client, name):
    """The author's outputs, where the first message says its input so, or those that it asks for."""
    steps, model = draw(6), client.get_model(name)
    [known] = client.predict(name, [steps])
    input_, output = model.own_inputs[0].name, model.own_outputs[0].name
    with talking(serving, f"{name}/live") as talk:
        assert equal_bits(talk.ask(input={input_: steps.tolist()})["outputs"][output], known.output)
    with talking(serving, f"{name}/live") as talk:
        answer = talk.ask(steps, open={"outputs": ["last_step"]})
        assert answer["outputs"].keys() == {"last_step"}
        assert equal_bits(answer["outputs"]["last_step"], known.output)
    with talking(serving, f"{name}/live") as talk:
        assert talk.ask(steps, open={"outputs": ["b"]})["error"].startswith("open.outputs[0]: is 'b', expected one of")


REFUSED = {
    "no json": ("{", "InvalidRequest", "JSON Parse error"),
    "no object": ("[1]", "InvalidRequest", "message: is no JSON object"),
    "a key that is not known": ('{"inputs": [[1, 2, 3]]}', "InvalidRequest", "message: has 'inputs', expected some of"),
    "shape": ('{"input": [1, 2, 3]}', "InvalidRequest", "input.shape: is [3], expected [?, 3]"),
    "width": ('{"input": [[1, 2]]}', "InvalidRequest", "input.shape: is [1, 2], expected [?, 3]"),
    "ragged": ('{"input": [[1, 2, 3], [1]]}', "InvalidRequest", "input: its lists differ in length"),
    "words": ('{"input": [["a", "b", "c"]]}', "InvalidRequest", "input: JSON Value"),
    "not finite": ('{"input": [[NaN, 1, 2]]}', "InvalidRequest", "input.content: holds nan at timestep 0"),
    "no timesteps": ('{"input": []}', "InvalidRequest", "input.shape"),
    "a name that is not known": ('{"input": {"b": [[1, 2, 3]]}}', "InvalidRequest", "input.b: is no input of the"),
    "a flag": ('{"close": 1}', "InvalidRequest", "close: is neither true nor false"),
    "a window": ('{"open": {"window": -1}}', "InvalidRequest", "open.window: is no whole number"),
    "no base64": ('{"open": {"initial_state": "?"}}', "InvalidRequest", "open.initial_state: is no text in base64"),
    "no state": ('{"open": {"initial_state": "AAAA"}}', "SnapshotRefused", "3 bytes that are no state of Carousel's"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_said_by_name_and_ends_the_sequence(serving, case):
    sent, reason, said = REFUSED[case]
    with talking(serving, "small/live") as talk:
        talk.connection.send(sent)
        answer = talk.receive()
        assert (answer["reason"], answer["closed"]) == (reason, True)
        assert answer["error"].startswith(said)
        assert talk.ends() == 1008


def test_what_cannot_be_live_is_refused_by_name(serving):
    with talking(serving, "none/live") as talk:
        assert talk.ask()["reason"] == "ModelNotFound"
    with talking(serving, "small/labels/no/live") as talk:
        assert "has no label 'no'" in talk.ask()["error"]
    with talking(serving, "whole/live") as talk:
        assert talk.ask()["reason"] == "NotStateful"
    with talking(serving, "small/live") as talk:
        talk.ask(draw(1))
        assert talk.ask(draw(1), open={})["error"].startswith("open: belongs to the first message")


def test_what_is_no_websocket_is_told_so(web):
    response = web.get("/v1/models/small/live")
    assert (response.status_code, response.headers["upgrade"]) == (426, "websocket")
    assert "over WebSocket" in response.json()["error"]


def test_pages_of_others_may_not_connect_and_own_ones_may(serving, server):
    own = f"http://127.0.0.1:{serving.server.http_port}"
    with talking(serving, "small/live", origin=own) as talk:
        assert talk.ask()["model"] == "small"
    with pytest.raises(InvalidStatus) as refused, talking(serving, "small/live", origin="https://example.com"):
        pass
    assert refused.value.response.status_code == 403
    assert b"http_cors_origins" in refused.value.response.body
    open_to_it = server(http_cors_origins="https://example.com")
    with talking(open_to_it, "small/live", origin="https://example.com") as talk:
        assert talk.ask()["model"] == "small"


def test_tokens_are_asked_for_by_header_or_as_browsers_can(server, tmp_path):
    token = "p/+=" * 8
    (tmp_path / "tokens.toml").write_text(f'[one]\ntoken = "{token}"\nscopes = ["predict"]\n')
    locked = server(tokens=tmp_path / "tokens.toml")
    with pytest.raises(InvalidStatus) as refused, talking(locked, "small/live"):
        pass
    assert refused.value.response.status_code == 401
    with talking(locked, "small/live", additional_headers={"authorization": f"Bearer {token}"}) as talk:
        assert talk.ask()["model"] == "small"
    spelled = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    offered = ["carousel.live", f"base64url.bearer.authorization.{spelled}"]
    with talking(locked, "small/live", subprotocols=offered) as talk:
        assert talk.connection.subprotocol == "carousel.live"
        assert talk.ask()["model"] == "small"


def test_who_drains_answers_what_runs_and_sends_its_clients_on_with_their_state(server, serving, client):
    """And whoever has said nothing yet is closed too."""
    leaving, begun, rest = server(drain_seconds=60), np.ones((200_000, 3), np.float32), draw(6)
    known = client.predict("small", [begun, np.concatenate([begun, rest])])
    with talking(leaving, "small/live") as talk, talking(leaving, "small/live") as silent:
        talk.send(begun)
        wait_until(lambda: open_in(leaving) == 1)
        leaving.server.drain()
        assert equal_bits(talk.receive()["output"], known[0].output)
        answer = talk.receive()
        assert answer["closed"]
        assert talk.ends() == 1001
        assert silent.ends() in {1001, 1012}
    assert leaving.join() == 0
    with talking(serving, "small/live") as talk:
        state = answer["going_away"]["state"]
        assert equal_bits(talk.ask(rest, open={"initial_state": state})["output"], known[1].output)


def test_limits_are_those_of_every_protocol(server):
    tight = server(max_sessions=1, session_idle_seconds=1.5, max_message_bytes=2000, http_timeout_seconds=1)
    with talking(tight, "small/live") as first:
        first.ask(draw(1))
        with talking(tight, "small/live") as second:
            answer = second.ask()
            assert (answer["reason"], second.ends()) == ("Overloaded", 1013)
            assert "max_sessions" in answer["error"]
            assert answer["retry_after"] > 0
        assert first.receive()["reason"] == "SessionExpired"
    with talking(tight, "small/live") as silent:
        assert silent.receive()["reason"] == "DeadlineExceeded"
    with talking(tight, "small/live") as large:
        large.connection.send(" " * 2001)
        assert large.ends() == 1009


@pytest.mark.parametrize("politely", [True, False])
def test_who_leaves_is_forgotten(serving, politely):
    with talking(serving, "small/live") as talk:
        talk.ask(draw(1))
        assert open_in(serving) >= 1
        if not politely:
            talk.connection.socket.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: open_in(serving) == 0)


def test_who_never_reads_is_read_no_further_and_cut_off(server):
    """Its messages wait in its own buffers: what the server holds for it is bounded."""
    quick = server(unread_seconds=1)
    message = json.dumps({"input": np.ones((500, 3)).tolist()})
    sent = 0
    with talking(quick, "small/live") as talk:
        talk.send(open={"return_sequences": True})
        with pytest.raises((ConnectionClosed, OSError)):  # noqa: PT012 - whichever message it is that is not taken
            while sent < 10_000:
                talk.connection.send(message)
                sent += 1
    wait_until(lambda: open_in(quick) == 0)
    assert 0 < sent < 10_000


def test_what_all_connections_send_and_do_not_finish_is_bounded(server):
    """The one that goes beyond is closed by its code; the others go on, and what was closed counts no more."""
    tight = server(max_held_bytes=100_000, max_message_bytes=90_000)
    unfinished = b"\x81\xff" + struct.pack("!Q", 85_000) + bytes(4) + b" " * 60_000  # a text, masked by zeros
    with talking(tight, "small/live") as first:
        first.connection.socket.sendall(unfinished)
        for _ in range(2):
            with talking(tight, "small/live") as second:
                second.connection.socket.sendall(unfinished)
                assert second.ends() == 1013
        first.connection.socket.sendall(b" " * 24_998 + b"{}")
        assert first.receive()["model"] == "small"


def open_in(serving):
    """Count the live sequences of a server."""
    return serving.on_loop(lambda: len(serving.server._sessions))


def wait_until(holds):
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_the_log_says_of_a_sequence_that_failed(serving, caplog):
    with caplog.at_level("INFO", "carousel.requests"), talking(serving, "none/live") as talk:
        talk.ask()
        talk.ends()
        wait_until(lambda: any(re.match("WebSocket /v1/models/none/live: ", m) for m in caplog.messages))
