"""From listen to close: ports, waking, orderly shutdown, compression, and nothing left behind."""

import gc
import math
import signal
import socket
import subprocess
import sys
import threading

import grpc
import pytest

from carousel.transport import Call, Code, Server, Status, Streaming, Unary, untested


def test_a_port_that_is_taken_is_refused_by_name(polled, methods):
    """A second server on a port is a mistake, and the error says which port and why."""
    port = polled(methods).port
    with pytest.raises(OSError, match=rf"127\.0\.0\.1:{port}: Address already in use"):
        Server(methods).listen("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused_by_name(methods):
    """192.0.2.1 is nobody's."""
    with pytest.raises(OSError, match=r"192\.0\.2\.1:0: Cannot assign requested address"):
        Server(methods).listen("192.0.2.1", 0)


def test_processes_share_a_port_when_told_to(polled, methods):
    """With `reuse_port` the second bind succeeds."""
    port = polled(methods, reuse_port=True).port
    second = Server(methods, reuse_port=True)
    assert second.listen("127.0.0.1", port) == port
    second.close()


def test_ipv6(polled, methods):
    """An IPv6 address is written as it is, without brackets."""
    with grpc.insecure_channel(f"[::1]:{polled(methods, host='::1').port}") as channel:
        assert channel.unary_unary("/t.T/Echo")(b"six", timeout=10) == b"six"


def test_several_ports_at_once(methods):
    """A second, say plaintext and local, port serves the same methods."""
    server = Server(methods)
    ports = {server.listen("127.0.0.1", 0), server.listen("localhost", 0)}
    assert len(ports) == 2
    server.close()


def test_wake_from_another_thread_ends_an_endless_poll(methods):
    """Once a call has come, `poll(inf)` returns on `wake`, and however many wakes are one event."""
    server = Server(methods)
    port = server.listen("127.0.0.1", 0)
    server.start()
    server.wake()
    assert not server.poll(math.inf)  # no call yet: a bounded wait
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = channel.unary_unary("/t.T/Echo").future(b"x", timeout=10)
        while not answer.done():
            server.poll(0.05)
    while server.poll(0):
        pass
    for _ in range(3):
        waker = threading.Thread(target=lambda: [server.wake() for _ in range(100)])
        waker.start()
        assert server.poll(math.inf)
        waker.join()
        while server.poll(0):
            pass
    server.close()
    server.wake()


def test_wake_from_a_signal_handler_never_blocks(polled, methods):
    """The handler may interrupt the very thread that is waking."""
    running = polled(methods)
    with grpc.insecure_channel(running.address) as channel:
        channel.unary_unary("/t.T/Echo")(b"x", timeout=10)
    caught = []
    before = signal.signal(signal.SIGALRM, lambda *_: (caught.append(None), running.server.wake()))
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        while len(caught) < 200:
            running.server.wake()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_every_call_is_observed_once_with_its_code(polled, methods, caplog):
    """Answered, failed, unknown or cancelled; and an observer that raises costs no call its answer."""
    seen, begun = [], threading.Event()

    def observe(call, code):
        seen.append((call.method, Code(code).name))
        raise LookupError

    def park(_call, _message):
        begun.set()

    served = {"/t.T/No": Unary(lambda call, _: call.fail(Status(Code.NOT_FOUND))), "/t.T/Park": Unary(park)}
    running = polled(methods | served, observe=observe)
    with grpc.insecure_channel(running.address) as channel:
        assert channel.unary_unary("/t.T/Echo")(b"x", timeout=10) == b"x"
        assert list(channel.stream_stream("/t.T/Chat")(iter([b"x"]), timeout=10)) == [b"x"]
        for method in ("/t.T/No", "/t.T/Unknown"):
            with pytest.raises(grpc.RpcError):
                channel.unary_unary(method)(b"", timeout=10)
        parked = channel.unary_unary("/t.T/Park").future(b"", timeout=10)
        assert begun.wait(10)
        parked.cancel()
        for _ in range(500):
            if running.on_loop(lambda: running.server.open_calls) == 0:
                break
    assert seen == [
        ("/t.T/Echo", "OK"),
        ("/t.T/Chat", "OK"),
        ("/t.T/No", "NOT_FOUND"),
        ("/t.T/Unknown", "UNIMPLEMENTED"),
        ("/t.T/Park", "CANCELLED"),
    ]
    assert len(caplog.records) == len(seen)


def test_a_loop_too_busy_to_settle_keeps_no_answered_call(polled):
    """Answered calls need no watching, so that nothing piles up until `settle`."""
    waiting = []

    def echo(call, message):
        before = len(running.server.unwatched)
        call.reply(message)
        waiting.append((before, len(running.server.unwatched)))

    running = polled({"/t.T/Echo": Unary(echo)})
    with grpc.insecure_channel(running.address) as channel:
        stub = channel.unary_unary("/t.T/Echo")
        assert [stub(b"x", timeout=10) for _ in range(20)] == [b"x"] * 20
    assert running.on_loop(lambda: waiting) == [(1, 0)] * 20


@pytest.mark.parametrize("kind", ["unary", "stream"])
def test_close_ends_what_is_open(polled, kind):
    """Every open call sees one `on_cancel`, its client UNAVAILABLE, and closing twice is closing once."""
    cancels, begun = [], threading.Event()

    def park(call, *_):
        call.on_cancel = lambda: cancels.append(call)
        begun.set()

    running = polled({"/t.T/Park": Unary(park) if kind == "unary" else Streaming(park)})
    with grpc.insecure_channel(running.address) as channel:
        call = channel.stream_stream("/t.T/Park")(iter([b"x"]), timeout=20)
        assert begun.wait(10)
        running.stop()
        assert call.code() is grpc.StatusCode.UNAVAILABLE
    assert len(cancels) == 1
    assert running.server.stopped
    running.server.close()
    running.server.stop_accepting()
    running.server.cancel_all()


@pytest.mark.parametrize("started", [False, True])
def test_a_server_may_be_closed_before_any_call(methods, started):
    """Never started, or never called: close returns."""
    server = Server(methods)
    server.listen("127.0.0.1", 0)
    if started:
        server.start()
    server.close()


def test_a_process_that_never_closes_its_server_ends_all_the_same(tmp_path):
    """The C core would wait for ever in the destructor of a server that was not shut down."""
    script = (
        "from carousel.transport import Server, Unary\n"
        "server = Server({'/t.T/Echo': Unary(lambda call, message: call.reply(message))})\n"
        "server.listen('127.0.0.1', 0)\n"
        "server.start()\n"
        "del server\n"
    )
    path = ":".join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", script], timeout=20, check=False, env={"PYTHONPATH": path}, cwd=tmp_path
    )
    assert done.returncode == 0


class Chat:
    """A stream's service, which holds its call and is held by it in turn."""

    def __init__(self, call):
        self._call = call
        call.on_cancel = call.on_sent = self.note
        call.receive(self.heard)

    def note(self):
        """Do nothing."""

    def heard(self, message):
        """Answer a message with itself, and the half-close with the end."""
        if message is None:
            self._call.finish()
        else:
            self._call.send(message)
            self._call.receive(self.heard)


def test_ten_thousand_calls_leave_no_call_behind(polled):
    """Calls are freed by reference counting alone, though their callbacks refer to them."""

    def echo(call, message):
        call.on_cancel = lambda: call.fail
        call.reply(message)

    running = polled({"/t.T/Echo": Unary(echo), "/t.T/Chat": Streaming(Chat)})
    with grpc.insecure_channel(running.address) as channel:
        unary, stream = channel.unary_unary("/t.T/Echo"), channel.stream_stream("/t.T/Chat")
        gc.collect()
        gc.disable()
        try:
            for _ in range(90):
                answers = [unary.future(b"x", timeout=20) for _ in range(100)]
                assert [answer.result() for answer in answers] == [b"x"] * 100
            for _ in range(1000):
                assert list(stream(iter([b"x"]), timeout=20)) == [b"x"]
            for _ in range(500):
                if running.on_loop(lambda: running.server.open_calls) == 0:
                    break
            left = running.on_loop(lambda: sum(isinstance(each, Call) for each in gc.get_objects()))
        finally:
            gc.enable()
    assert left == 0


@pytest.mark.parametrize("compression", ["identity", "deflate", "gzip"])
def test_answers_are_compressed_when_told_to(polled, methods, compression):
    """Counted on the wire; gzip and deflate requests are understood whatever the setting."""
    running = polled(methods, compression=compression)
    with Relay(running.port) as relay, grpc.insecure_channel(f"127.0.0.1:{relay.port}") as channel:
        message = b"x" * 100_000
        for asked in (grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate):
            before = relay.returned
            assert channel.unary_unary("/t.T/Echo")(message, timeout=10, compression=asked) == message
            assert list(channel.stream_stream("/t.T/Chat")(iter([message]), timeout=10, compression=asked)) == [message]
            assert (relay.returned - before > 2 * len(message)) is (compression == "identity")


class Relay:
    """Forwards one connection and counts the bytes that come back."""

    def __init__(self, target):
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.returned = 0

    def __enter__(self):
        threading.Thread(target=self._forward, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _forward(self):
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._target))
        threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
        self._pump(server, client, True)

    def _pump(self, source, sink, counted):
        with source, sink:
            try:
                while some := source.recv(1 << 16):
                    self.returned += len(some) * counted
                    sink.sendall(some)
            except OSError:
                pass


@pytest.mark.parametrize("version", ["1.74.0", "1.85.1"])
def test_tested_versions_go_without_a_word(version):
    """The range is inclusive, whatever the patch."""
    assert untested(version) is None


@pytest.mark.parametrize("version", ["1.73.1", "1.86.0", "2.0.0", "1.100.0rc1"])
def test_an_untested_version_is_named(version):
    """The sentence names the version and the range."""
    assert version in untested(version)
    assert "1.74 to 1.85" in untested(version)
