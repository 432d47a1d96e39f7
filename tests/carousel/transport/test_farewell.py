"""A server that leaves: who is admitted is answered, who is silent is not waited for, who comes late may retry."""

import collections
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import pytest

from carousel.transport import Code, Status, Unary, farewell
from carousel.transport.sockets import Peer, peer_of

LARGE = 48 << 20  # bytes: more than the kernels' buffers of a connection hold
OWN = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1))


def own_channel(address):
    """A connection that no other channel of this process shares."""
    return grpc.insecure_channel(address, options=OWN)


@pytest.fixture
def parking(polled, methods):
    """A server whose calls to Park wait in `parked`; `begun` says that one came."""
    parked, begun, cancels = [], threading.Event(), []

    def park(call, message):
        call.on_cancel = lambda: cancels.append(call)
        parked.append((call, message))
        begun.set()

    running = polled(methods | {"/t.T/Park": Unary(park)})
    running.parked, running.begun, running.cancels = parked, begun, cancels
    return running


def stopped(running):
    """Wait until the server has let go of every connection."""
    end = time.monotonic() + 30
    while not running.on_loop(lambda: running.server.stopped):
        assert time.monotonic() < end, f"{running.server.open_calls} calls hold it"
        time.sleep(0.01)
    return True


def test_an_admitted_call_is_answered_and_a_new_client_is_sent_elsewhere(parking):
    """The port is closed at once; the connection of the call that goes on ends with it."""
    with own_channel(parking.address) as channel, own_channel(parking.address) as other:
        waiting = channel.unary_unary("/t.T/Park").future(b"late", timeout=20)
        assert parking.begun.wait(10)
        parking.on_loop(parking.server.stop_accepting)
        with pytest.raises(grpc.RpcError) as caught:
            other.unary_unary("/t.T/Echo")(b"new", timeout=10)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert not parking.server.stopped
        parking.on_loop(lambda: [call.reply(message) for call, message in parking.parked])
        assert waiting.result() == b"late"
        assert stopped(parking)
        assert parking.server.open_calls == 0
    assert parking.cancels == []


def test_a_connection_that_no_call_needs_ends_while_another_is_needed(parking):
    """Its client is free to go elsewhere at once: one long call holds back no other client."""
    with own_channel(parking.address) as needed, own_channel(parking.address) as idle:
        states = []
        idle.subscribe(states.append)
        idle.unary_unary("/t.T/Echo")(b"x", timeout=10)
        while grpc.ChannelConnectivity.READY not in states:  # it is, and the thread that tells may be behind
            time.sleep(0.01)
        waiting = needed.unary_unary("/t.T/Park").future(b"late", timeout=20)
        assert parking.begun.wait(10)
        parking.on_loop(parking.server.stop_accepting)
        while grpc.ChannelConnectivity.IDLE not in states[states.index(grpc.ChannelConnectivity.READY) :]:
            time.sleep(0.01)
        parking.on_loop(lambda: [call.reply(message) for call, message in parking.parked])
        assert waiting.result() == b"late"
        assert stopped(parking)


@pytest.mark.parametrize("kind", ["connection", "unary", "stream"])
def test_who_sends_nothing_holds_nothing_up(polled, methods, kind):
    """A bare connection, a call without its message, a stream without its first: the last two see UNAVAILABLE."""
    running = polled(methods)
    silence = threading.Event()

    def nothing():
        silence.wait(30)
        yield b""

    with own_channel(running.address) as channel, socket.create_connection(("127.0.0.1", running.port)):
        if kind != "connection":
            call = channel.stream_stream("/t.T/Echo" if kind == "unary" else "/t.T/Chat")(nothing(), timeout=30)
            while not running.on_loop(lambda: running.server.open_calls):
                pass
        running.on_loop(running.server.stop_accepting)
        assert stopped(running)
        if kind != "connection":
            assert call.code() is grpc.StatusCode.UNAVAILABLE
        silence.set()


CALLER = """
import sys, grpc
with grpc.insecure_channel(sys.argv[1], options=[("grpc.max_receive_message_length", -1)]) as channel:
    print(len(channel.unary_unary("/t.T/Park")(b"x")))
"""


def test_who_takes_nothing_of_its_answer_holds_nothing_up(parking):
    """A client that stands still (SIGSTOP) leaves its answer in the kernels' buffers."""
    client = subprocess.Popen([sys.executable, "-c", CALLER, parking.address])
    try:
        assert parking.begun.wait(20)
        client.send_signal(signal.SIGSTOP)
        parking.on_loop(lambda: parking.parked[0][0].reply(bytes(LARGE)))
        parking.on_loop(parking.server.stop_accepting)
        assert stopped(parking)
    finally:
        client.kill()
        client.wait()


def test_who_takes_its_answer_slowly_gets_all_of_it(parking, monkeypatch):
    """What counts is whether the client takes some of it, not how long the whole takes."""
    monkeypatch.setattr(farewell, "_UNREAD", 1.5)
    with Slow(parking.port) as relay, own_channel(f"127.0.0.1:{relay.port}") as channel:
        waiting = channel.unary_unary("/t.T/Park").future(b"x", timeout=60)
        assert parking.begun.wait(10)
        parking.on_loop(lambda: parking.parked[0][0].reply(bytes(LARGE)))
        parking.on_loop(parking.server.stop_accepting)
        assert waiting.result() == bytes(LARGE)
        assert stopped(parking)


class Slow:
    """Forwards one connection; what comes back, a piece every 40 ms."""

    def __init__(self, target):
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._forward, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _forward(self):
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._target))
        threading.Thread(target=self._pump, args=(client, server, 0), daemon=True).start()
        self._pump(server, client, 0.04)

    def _pump(self, source, sink, pause):
        with source, sink:
            try:
                while some := source.recv(1 << 19):
                    time.sleep(pause)
                    sink.sendall(some)
            except OSError:
                pass


def test_calls_that_cross_the_end_see_unavailable_and_nothing_else(polled):
    """Clients that never cease to ask, from other processes; a gate refuses, as the services' does."""
    gate = threading.Event()

    def echo(call, message):
        if gate.is_set():
            call.fail(Status(Code.UNAVAILABLE, "going"))
        else:
            call.reply(message)

    running = polled({"/t.T/Echo": Unary(echo)})
    command = [sys.executable, __file__, running.address]
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for client in clients:
        assert client.stdout.readline() == "answered\n"
    gate.set()
    running.on_loop(running.server.stop_accepting)
    assert stopped(running)
    for client in clients:
        codes = collections.Counter(client.communicate(timeout=30)[0].split())
        assert codes["UNAVAILABLE"] > 0
        assert set(codes) <= {"OK", "UNAVAILABLE"}


def ask_until_it_is_gone(address):
    """Ask from 32 threads over 4 connections until a second after the first refusal; print how each call ended."""
    codes, first = [], threading.Event()

    def ask(stub):
        end = float("inf")
        while time.monotonic() < end:
            try:
                stub(b"x" * 100, timeout=20)
                codes.append("OK")
                first.set()
            except grpc.RpcError as error:
                codes.append(error.code().name)
                end = min(end, time.monotonic() + 1)

    channels = [own_channel(address) for _ in range(4)]
    threads = [threading.Thread(target=ask, args=(each.unary_unary("/t.T/Echo"),)) for each in channels * 8]
    for thread in threads:
        thread.start()
    first.wait(20)
    sys.stdout.write("answered\n")
    sys.stdout.flush()
    for thread in threads:
        thread.join()
    sys.stdout.write("\n".join(codes))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0", "::"])
def test_a_connection_is_known_by_the_peer_that_the_core_names(polled, host):
    """Over IPv4, IPv6 and IPv4 on an IPv6 socket."""
    seen = []

    def echo(call, message):
        ours = [each.peer for each in farewell.sockets.connections({running.port})]
        seen.append((peer_of(call.peer), ours))
        call.reply(message)

    running = polled({"/t.T/Echo": Unary(echo)}, host=host)
    for address in ["127.0.0.1"] if "." in host else ["[::1]"] if host == "::1" else ["127.0.0.1", "[::1]"]:
        with own_channel(f"{address}:{running.port}") as channel:
            channel.unary_unary("/t.T/Echo")(b"x", timeout=10)
        assert seen[-1][0] in seen[-1][1]


def test_peers_that_are_no_tcp_are_none():
    """A Unix socket has no port."""
    assert peer_of("unix:/tmp/socket") is None
    assert peer_of("ipv6:%5Bfe80::1%25eth0%5D:7") == Peer("fe80::1", 7)


def test_looking_leaves_no_descriptor_behind(polled, methods):
    """Duplicates are closed, whatever they are of."""
    port = polled(methods).port
    left, right = os.pipe()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        list(farewell.sockets.connections({port}))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    os.close(left)
    os.close(right)


if __name__ == "__main__":
    ask_until_it_is_gone(sys.argv[1])
