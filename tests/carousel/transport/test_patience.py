"""Clients that send no message, or read no answer, keep nothing for long; what others ask goes on."""

import threading
import time

import grpc
import pytest

from carousel.transport import Patience, Unary
from carousel.transport.patience import Waits
from tests.carousel import http2

MANY = 4 << 20


def until(true, seconds=20):
    """Wait until it is."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def large():
    """An rpc that answers with four megabytes, and one that echoes."""
    return {"/t.T/Large": Unary(lambda call, _: call.reply(b"x" * MANY)), "/t.T/Echo": Unary(lambda c, m: c.reply(m))}


def silent(over):
    """A request stream on which no message comes."""
    over.wait(30)
    yield b""


def test_a_message_that_does_not_come_is_waited_for_no_longer(polled, large):
    running, over = polled(large, patience=Patience(message_seconds=0.3)), threading.Event()
    with grpc.insecure_channel(running.address) as channel:
        calls = [channel.stream_unary("/t.T/Echo").future(silent(over), timeout=20) for _ in range(20)]
        for call in calls:
            assert call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert call.details() == "/t.T/Echo: its request message did not come within 0.3 s"
        assert channel.unary_unary("/t.T/Echo")(b"a", timeout=20) == b"a"
        over.set()
    until(lambda: running.on_loop(lambda: running.server.open_calls) == 0)


def test_one_call_more_than_may_be_is_refused_and_named(polled, large):
    running, over = polled(large, patience=Patience(calls=3)), threading.Event()
    with grpc.insecure_channel(running.address) as channel:
        calls = [channel.stream_unary("/t.T/Echo").future(silent(over), timeout=30) for _ in range(3)]
        until(lambda: running.on_loop(lambda: running.server.open_calls) == 3)
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/t.T/Echo")(b"a", timeout=20)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert caught.value.details() == "3 calls are open, as many as may be."
        over.set()
        assert [call.result() for call in calls] == [b""] * 3
        until(lambda: running.on_loop(lambda: running.server.open_calls) == 0)
        assert channel.unary_unary("/t.T/Echo")(b"a", timeout=20) == b"a"


@pytest.mark.parametrize(
    "patience", [Patience(unread_seconds=1.0), Patience(unread_bytes=MANY)], ids=["too long", "too many"]
)
def test_answers_that_nobody_reads_are_dropped(polled, large, patience):
    """Their bytes are given back; a client that reads gets its answers all the while."""
    running = polled(large, patience=patience)
    deaf = http2.Connection(running.port)  # its own window holds what the server may send
    for i in range(20):
        deaf.send(http2.call(b"/t.T/Large", stream=2 * i + 1))
    until(lambda: running.on_loop(lambda: running.server.waits.unsent_bytes) >= 20 * MANY)
    with grpc.insecure_channel(running.address, options=[("grpc.max_receive_message_length", -1)]) as channel:
        assert len(channel.unary_unary("/t.T/Large")(b"", timeout=20)) == MANY
        assert channel.unary_unary("/t.T/Echo")(b"a", timeout=20) == b"a"
        left = MANY if patience.unread_bytes == MANY else 0
        until(lambda: running.on_loop(lambda: running.server.waits.unsent_bytes) <= left)
        assert len(channel.unary_unary("/t.T/Large")(b"", timeout=20)) == MANY
    deaf.socket.close()
    until(lambda: running.on_loop(lambda: running.server.open_calls) == 0)
    assert running.server.waits.unsent_bytes == 0


class Ended:
    """A call that says how it was ended."""

    def __init__(self, began):
        self.began = began
        self.end = ""

    def give_up(self, seconds):
        self.end = f"gave up after {seconds}"

    def drop(self):
        self.end = "dropped"


def test_who_makes_progress_is_not_dropped():
    """However slowly: each time something is taken, the time begins anew."""
    now = [0.0]
    waits = Waits(Patience(unread_seconds=10), lambda: now[0])
    slow, stuck = Ended(0.0), Ended(0.0)
    for call in (slow, stuck):
        waits.unsent(call, 0, 100)
    for taken in range(1, 5):
        now[0] += 4
        waits.unsent(slow, 100 - taken + 1, 100 - taken)
        waits.sweep()
    assert (slow.end, stuck.end) == ("", "dropped")
