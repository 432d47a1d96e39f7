"""A server that polls on a thread of its own, and stock grpcio clients to call it."""

import threading
from collections.abc import Callable, Iterator

import grpc
import pytest

from carousel.transport import Call, Server, Streaming, Unary


class Polled:
    """A started server, its port, and the thread that polls it until `stop`."""

    def __init__(self, methods, credentials=None, host="127.0.0.1", **options):
        self.server = Server(methods, **options)
        self.port = self.server.listen(host, 0, credentials)
        self.address = f"{host}:{self.port}"
        self.posted = []
        self._leave = False
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self.server.start()
        self._thread.start()

    def _poll(self):
        while not self._leave:
            self.server.poll(0.02)
            while self.server.poll(0):
                pass
            self.server.settle()
            while self.posted:
                self.posted.pop(0)()

    def on_loop(self, function):
        """Run `function` on the polling thread and return what it returned."""
        answer, done = [], threading.Event()
        self.posted.append(lambda: (answer.append(function()), done.set()))
        assert done.wait(10)
        return answer[0]

    def stop(self):
        """Leave the loop, and close the server on this thread."""
        self._leave = True
        self._thread.join(10)
        assert not self._thread.is_alive()
        self.server.close()


@pytest.fixture
def polled() -> Iterator[Callable[..., Polled]]:
    """Start servers; all are closed when the test ends."""
    running = []

    def start(methods, **options):
        running.append(Polled(methods, **options))
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.fixture
def channel(polled) -> Iterator[Callable[..., grpc.Channel]]:
    """Serve methods and connect to them with a stock channel that has no limits of its own."""
    opened = []

    def connect(methods, **options):
        unlimited = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
        opened.append(grpc.insecure_channel(polled(methods, **options).address, options=unlimited))
        return opened[-1]

    yield connect
    for each in opened:
        each.close()


def _echo(call: Call, message: bytes) -> None:
    call.reply(message)


def _chat(call: Call) -> None:
    def heard(message: bytes | None) -> None:
        if message is None:
            call.finish()
        else:
            call.send(message)
            call.receive(heard)

    call.receive(heard)


@pytest.fixture
def methods() -> dict[str, Unary | Streaming]:
    """`/t.T/Echo` answers with its request; `/t.T/Chat` answers each message with itself."""
    return {"/t.T/Echo": Unary(_echo), "/t.T/Chat": Streaming(_chat)}
