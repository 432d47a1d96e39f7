"""Clients that cancel, run out of time, or vanish: one `on_cancel`, or none, and never an exception."""

import asyncio
import contextlib
import math
import random
import subprocess
import sys
import threading

import grpc
import pytest

from carousel.transport import Code, Server, Status, Streaming, Unary


class Watched:
    """Methods that never answer by themselves; `begun` and `cancelled` tell what happened to their one call."""

    def __init__(self):
        self.begun, self.cancelled = threading.Event(), threading.Event()
        self.calls, self.cancels, self.halves = [], 0, 0
        self.methods = {"/t.T/Park": Unary(lambda call, _: self.park(call)), "/t.T/Hold": Streaming(self.hold)}

    def park(self, call):
        """Never answer."""
        call.on_cancel = lambda: self.cancel(call)
        self.calls.append(call)
        self.begun.set()

    def hold(self, call):
        """Echo, and never finish."""

        def heard(message):
            if message is None:
                self.halves += 1
            else:
                call.send(message)
                call.receive(heard)

        call.receive(heard)
        self.park(call)

    def cancel(self, call):
        """Count, and try all that may not be done any more."""
        assert call.done
        self.cancels += 1
        call.reply(b"too late")
        call.send(b"too late")
        call.receive(lambda _: None)
        call.finish()
        call.fail(Status(Code.INTERNAL))
        self.cancelled.set()


def settled(running):
    """Let the loop turn until no call is open, and return how many are."""
    for _ in range(500):
        if not running.on_loop(lambda: running.server.open_calls):
            break
    return running.server.open_calls


@pytest.mark.parametrize("way", ["cancel", "deadline", "channel closed"])
@pytest.mark.parametrize("method", ["/t.T/Park", "/t.T/Hold"])
def test_a_client_that_leaves_is_told_once(polled, method, way, caplog):
    """Unary or stream; cancelled, out of time, or its channel closed."""
    watched = Watched()
    running = polled(watched.methods)
    with grpc.insecure_channel(running.address) as channel:
        requests = threading.Event()

        def one():
            yield b"hello"
            requests.wait(10)

        call = channel.stream_stream(method)(
            one() if method == "/t.T/Hold" else iter([b""]), timeout=0.5 if way == "deadline" else 30
        )
        assert watched.begun.wait(10)
        if method == "/t.T/Hold":
            assert next(call) == b"hello"
        if way == "cancel":
            call.cancel()
        elif way == "channel closed":
            channel.close()
        assert watched.cancelled.wait(10)
        requests.set()
        if way == "deadline":
            assert call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert settled(running) == 0
    assert (watched.cancels, watched.halves, caplog.records) == (1, 0, [])


def test_a_client_process_that_is_killed_is_noticed(polled):
    """SIGKILL leaves no time for a farewell: the closed socket ends its calls."""
    watched = Watched()
    running = polled(watched.methods)
    script = (
        "import grpc, sys, threading\n"
        "call = grpc.insecure_channel(sys.argv[1]).stream_stream('/t.T/Hold')(iter(threading.Event().wait, None))\n"
        "list(call)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, running.address]) as client:
        assert watched.begun.wait(20)
        client.kill()
        assert watched.cancelled.wait(10)
    assert settled(running) == 0
    assert watched.cancels == 1


def test_a_loop_that_waits_without_end_still_sees_a_cancellation():
    """A parked call is watched although nothing else happens: `poll` returns in time for `settle`."""
    watched = Watched()
    server = Server(watched.methods)
    port = server.listen("127.0.0.1", 0)
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/t.T/Park").future(b"", timeout=20)
        while not watched.begun.is_set():
            server.poll(math.inf)
            server.settle()
        while server.unwatched:
            server.poll(math.inf)
            server.settle()
        call.cancel()
        while not watched.cancelled.is_set():
            server.poll(math.inf)
            server.settle()
    server.close()
    assert watched.cancels == 1


def test_an_answered_call_is_never_cancelled(polled):
    """The client cancels after the finish was asked for, while it has not read what was sent: nothing is called."""
    answered, cancels, calls = threading.Event(), [], []

    def flood(call):
        call.on_cancel = lambda: cancels.append(call)
        for _ in range(600):
            call.send(b"x" * 65536)
        call.finish()
        calls.append(call)
        answered.set()

    running = polled({"/t.T/Flood": Streaming(flood)})
    with grpc.insecure_channel(running.address) as channel:
        call = channel.stream_stream("/t.T/Flood")(iter(()), timeout=30)
        assert answered.wait(10)
        assert calls[0].unsent > 0
        call.cancel()
        assert settled(running) == 0
    assert cancels == []
    for _ in range(600):
        if running.on_loop(lambda: calls[0].unsent) == 0:
            break
    assert calls[0].unsent == 0


def test_what_a_callback_raises_ends_its_call_alone(channel, methods, caplog):
    """`then` and `on_sent` fail their stream with INTERNAL; `on_cancel` is logged; the loop lives on."""
    cancelled = threading.Event()

    def broken(*_):
        raise LookupError("secret of the house")

    def cancel():
        cancelled.set()
        broken()

    def heard(call):
        call.receive(broken)

    def sent(call):
        call.on_sent = broken
        call.send(b"x")

    def left(call):
        call.on_cancel = cancel
        call.send(b"x")

    served = {"/t.T/Heard": Streaming(heard), "/t.T/Sent": Streaming(sent), "/t.T/Left": Streaming(left)}
    connected = channel(methods | served)
    for method in ("/t.T/Heard", "/t.T/Sent"):
        with pytest.raises(grpc.RpcError) as caught:
            list(connected.stream_stream(method)(iter([b"x"]), timeout=10))
        assert caught.value.code() is grpc.StatusCode.INTERNAL
    call = connected.stream_stream("/t.T/Left")(iter(threading.Event().wait, None), timeout=10)
    next(call)
    call.cancel()
    assert cancelled.wait(10)
    assert connected.unary_unary("/t.T/Echo")(b"well", timeout=10) == b"well"
    assert len(caplog.records) == 3


class Restless:
    """A service that sends, ends or fails by chance, and counts the `on_cancel` of each call."""

    def __init__(self):
        self.cancels = []

    def serve(self, call):
        """Answer as chance will have it."""
        which, chance = len(self.cancels), random.Random(len(self.cancels))
        self.cancels.append(0)

        def cancel():
            self.cancels[which] += 1

        def heard(message):
            if message is None or chance.random() < 0.2:
                chance.choice([call.finish, lambda: call.fail(Status(Code.ABORTED)), lambda: call.reply(b"end")])()
                return
            for _ in range(chance.randrange(4)):
                call.send(message * chance.randrange(3))
            call.receive(heard)

        call.on_cancel = cancel
        call.receive(heard)


async def _impatient(channel, chance):
    """Write a few messages and read what comes, unless cancelled first, by hand or by a short deadline."""

    async def requests():
        for _ in range(chance.randrange(6)):
            yield b"x" * chance.choice([0, 10, 100_000])
            await asyncio.sleep(chance.random() / 50)

    call = channel.stream_stream("/t.T/Restless")(requests(), timeout=chance.choice([0.002, 0.01, 0.05, 20]))
    if chance.random() < 0.5:
        asyncio.get_running_loop().call_later(chance.random() / 20, call.cancel)
    with contextlib.suppress(grpc.RpcError, asyncio.CancelledError):
        async for _ in call:
            pass


def test_a_storm_of_cancellations_leaves_nothing_behind(polled, methods, caplog):
    """Calls cancelled at any moment end with at most one `on_cancel` and no error, and the server serves on."""

    async def storm(address):
        async with grpc.aio.insecure_channel(address) as channel:
            await asyncio.gather(*(_impatient(channel, random.Random(i)) for i in range(600)))

    restless = Restless()
    running = polled(methods | {"/t.T/Restless": Streaming(restless.serve)})
    asyncio.run(storm(running.address))
    assert settled(running) == 0
    assert len(restless.cancels) > 100
    assert set(restless.cancels) == {0, 1}
    assert [record for record in caplog.records if record.name == "carousel.transport"] == []
    with grpc.insecure_channel(running.address) as channel:
        assert channel.unary_unary("/t.T/Echo")(b"well", timeout=10) == b"well"
