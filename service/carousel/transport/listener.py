"""A gRPC server that is polled."""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal, TypeAlias

import grpc
from grpc._cython import cygrpc

from carousel.transport.call import Call
from carousel.transport.farewell import Farewell
from carousel.transport.first_call import FirstCall
from carousel.transport.patience import Patience, Waits
from carousel.transport.status import Code, Status

Compression: TypeAlias = Literal["identity", "deflate", "gzip"]

_EVENT = cygrpc.CompletionType.operation_complete
_COMPRESSIONS = {
    "identity": cygrpc.CompressionAlgorithm.none,
    "deflate": cygrpc.CompressionAlgorithm.deflate,
    "gzip": cygrpc.CompressionAlgorithm.gzip,
}
_UNWATCHED = 0.025  # seconds that a unary call goes unwatched: a cancellation within them is seen when they are over
_SLICE = 0.15  # seconds that a wait in the core lasts at most
_HANDSHAKE = 10.0  # seconds that a new connection has to say that it speaks HTTP/2, and for TLS
_LOOK = 0.025  # seconds between two looks at which connections may end
_LEAVES = Status(Code.UNAVAILABLE, "The server is going away: another one will answer.")


class _Stage(IntEnum):
    NEW = 0
    SERVING = 1
    LEAVING = 2  # connections end as their calls do
    STOPPING = 3  # the core shuts down
    STOPPED = 4
    CLOSED = 5


@dataclass(frozen=True, slots=True)
class Unary:
    """A method whose `function` is called with the call and its one request message."""

    function: Callable[[Call, bytes], None]


@dataclass(frozen=True, slots=True)
class Streaming:
    """A method whose `function` is called as soon as the call is there, and then uses `Call.receive`."""

    function: Callable[[Call], None]


class Server:
    """Serves `methods`, by full name as `/package.Service/Method`, on the thread that calls `poll`.

    Sizes are in bytes and times in seconds; None leaves a matter to the C core. `max_pending_calls` bounds what waits
    to be accepted while the loop is busy; past it the core refuses with RESOURCE_EXHAUSTED. Connections end in good
    order when they are older than `max_connection_age` (their calls have `max_connection_age_grace` to finish) or idle
    for `max_connection_idle`; past `max_connections` a new one is closed at once, and one that says nothing for 10 s.
    A client that does not answer the ping sent every `keepalive_time` within
    `keepalive_timeout` is gone; clients may ping every `min_ping_interval`. With `reuse_port` processes share a port.
    Until a call was accepted, `wake` does nothing; with `first_call` the server makes one itself as it starts.
    Clients may keep calls waiting as long as `patience` says.
    `observe` is told of every call, with its status code, once it is answered or gone.
    """

    def __init__(
        self,
        methods: Mapping[str, Unary | Streaming],
        *,
        max_receive_bytes: int = 64 << 20,
        max_concurrent_streams: int | None = None,
        max_pending_calls: int = 10_000,
        max_connections: int | None = None,
        max_connection_age: float | None = None,
        max_connection_age_grace: float | None = None,
        max_connection_idle: float | None = None,
        keepalive_time: float | None = None,
        keepalive_timeout: float | None = None,
        min_ping_interval: float | None = None,
        compression: Compression = "identity",
        reuse_port: bool = False,
        first_call: bool = False,
        patience: Patience | None = None,
        observe: Callable[[Call, int], None] = lambda _call, _code: None,
    ) -> None:
        self.calls: set[Call] = set()
        """Calls accepted and not yet over."""
        self.unwatched: dict[Call, None] = {}
        """Unary calls neither answered nor watched for cancellation, oldest first: what `settle` is for."""
        self.waits = Waits(patience or Patience())
        """The calls that wait for their clients, and how long they may."""
        self.observe = observe
        arguments: dict[str, int | None] = {
            "grpc.max_receive_message_length": max_receive_bytes,
            "grpc.max_send_message_length": -1,
            "grpc.max_concurrent_streams": max_concurrent_streams,
            "grpc.server.max_pending_requests": max_pending_calls,
            "grpc.server.max_pending_requests_hard_limit": max_pending_calls,
            "grpc.max_allowed_incoming_connections": max_connections,
            "grpc.server_handshake_timeout_ms": _milliseconds(_HANDSHAKE),
            "grpc.max_connection_age_ms": _milliseconds(max_connection_age),
            "grpc.max_connection_age_grace_ms": _milliseconds(max_connection_age_grace),
            "grpc.max_connection_idle_ms": _milliseconds(max_connection_idle),
            "grpc.keepalive_time_ms": _milliseconds(keepalive_time),
            "grpc.keepalive_timeout_ms": _milliseconds(keepalive_timeout),
            "grpc.keepalive_permit_without_calls": 1,
            "grpc.http2.min_ping_interval_without_data_ms": _milliseconds(min_ping_interval),
            "grpc.default_compression_algorithm": int(_COMPRESSIONS[compression]),
            "grpc.so_reuseport": int(reuse_port),
        }
        self._methods = {name.encode(): (name, method) for name, method in methods.items()}
        self._waking = threading.RLock()  # a signal handler may wake while the loop's thread holds it
        self._waker: Any = None
        self._wake_is_due = False
        self._ports: set[int] = set()
        self._first_call = FirstCall() if first_call else None
        self._farewell: Farewell | None = None
        self._stage = _Stage.NEW
        self._queue = cygrpc.CompletionQueue()
        self._server = cygrpc.Server(
            tuple((key, value) for key, value in arguments.items() if value is not None), False
        )
        self._server.register_completion_queue(self._queue)

    def listen(self, host: str, port: int, credentials: grpc.ServerCredentials | None = None) -> int:
        """Bind `host`, a name or an address, and `port`, 0 for a free one; return the port. Before `start`.

        Raises OSError saying why the address cannot be bound.
        """
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        secure = () if credentials is None else (_boxed(credentials),)
        bound = int(self._server.add_http2_port(address.encode(), *secure))
        if not bound:
            raise OSError(f"cannot listen on {address}: {_why_not(host, port)}")
        self._ports.add(bound)
        return bound

    def listen_locally(self, path: Path) -> None:
        """Bind a Unix socket that only this user may open. Before `start`.

        Raises OSError where it cannot be bound.
        """
        if not self._server.add_http2_port(f"unix:{path.absolute()}".encode()):
            raise OSError(f"cannot listen on {path}: it cannot be made there, or another server listens on it")
        path.chmod(0o600)

    def start(self) -> None:
        """Begin to accept calls."""
        first = self._first_call
        if first is not None and first.address and not self._server.add_http2_port(first.address.encode()):
            first.close()
        self._server.start()
        self._stage = _Stage.SERVING
        self._server.request_call(self._queue, self._queue, self._accept)
        if first is not None:
            first.make()

    def poll(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds, 0 for not at all and 0.15 at most, and handle one event; False if none came.

        The core takes the end of a wait by the wall clock, and one that is set back would make it wait for as long. Of
        a wait shorter than the 0.2 s at which the core looks for signals it measures the length once, when it begins.
        """
        deadline: float = 0
        if timeout > 0:
            longest = _UNWATCHED if self.unwatched else _LOOK if self._farewell is not None else _SLICE
            deadline = time.time() + min(timeout, longest)
        event = self._queue.poll(deadline=deadline)
        if event.completion_type != _EVENT:
            return False
        event.tag(event)
        return True

    def wake(self) -> None:
        """Make `poll` return soon. From any thread, at any time."""
        with self._waking:
            waker = self._waker
            if waker is not None and not self._wake_is_due:
                self._wake_is_due = True
                waker.start_server_batch((), self._woken)

    def settle(self) -> None:
        """Watch open unary calls for cancellation, end calls that wait for too long, leave when asked to. Once a turn.

        Watching costs a call one more event, so that calls answered within their first few turns go without.
        """
        begun = time.monotonic() - _UNWATCHED
        while self.unwatched and (oldest := next(iter(self.unwatched))).began < begun:
            del self.unwatched[oldest]
            oldest.watch()
        self.waits.sweep()
        if self._farewell is not None and self._farewell.sweep():
            self._shut_down()

    @property
    def open_calls(self) -> int:
        """How many calls are accepted and not yet over."""
        return len(self.calls)

    @property
    def stopped(self) -> bool:
        """After `stop_accepting`: every call is over and every connection is closed."""
        return self._stage >= _Stage.STOPPED

    def stop_accepting(self) -> None:
        """Close the ports, and each connection once no call that is open now needs it: poll and settle until `stopped`.

        A call whose first message has not come is refused with UNAVAILABLE. One that arrives later on a connection that
        is still needed is served as ever: it is for the methods to refuse it. It does not keep the connection open.
        """
        if self._stage is _Stage.NEW:
            self.start()
        if self._stage is not _Stage.SERVING:
            return
        self._stage = _Stage.LEAVING
        for call in tuple(self.calls):
            call.withdraw(_LEAVES)
        self._farewell = Farewell(self._ports, self.calls)

    def cancel_all(self) -> None:
        """End the open calls now; their clients see UNAVAILABLE."""
        self.stop_accepting()
        if self._farewell is not None:
            self._farewell.end_all()
            self._shut_down()
        if self._stage is _Stage.STOPPING:
            self._server.cancel_all_calls()

    def close(self) -> None:
        """End what is open and give everything back; the server cannot be started again.

        On the polling thread: callbacks run here, so every open call sees its `on_cancel`.
        """
        if self._stage is _Stage.CLOSED:
            return
        self.cancel_all()  # the core aborts when what has a port, and was never started and shut down, is destroyed
        while self._stage is _Stage.STOPPING or self.calls:
            self.settle()
            self.poll(_SLICE)
        with self._waking:
            self._waker = None
        self._stage = _Stage.CLOSED
        if self._first_call is not None:
            self._first_call.close()
        self._server.destroy()
        self._queue.shutdown()
        while (event := self._queue.poll()).completion_type == _EVENT:
            event.tag(event)

    def _accept(self, event: Any) -> None:
        if not event.success:  # the server is being shut down
            return
        if self._stage <= _Stage.LEAVING:
            self._server.request_call(self._queue, self._queue, self._accept)
        core, details = event.call, event.call_details
        self._waker = core  # any call will do, even one that is over
        known = self._methods.get(details.method)
        if known is None:
            name = details.method.decode(errors="replace")
            call = Call(self, core, name, event.invocation_metadata, details.deadline)
            call.fail(Status(Code.UNIMPLEMENTED, f"This server has no method {name}."))
            return
        if len(self.calls) >= self.waits.patience.calls:
            call = Call(self, core, known[0], event.invocation_metadata, details.deadline)
            call.fail(Status(Code.RESOURCE_EXHAUSTED, f"{len(self.calls) - 1} calls are open, as many as may be."))
            return
        name, method = known
        call = Call(self, core, name, event.invocation_metadata, details.deadline)
        if isinstance(method, Unary):
            self.unwatched[call] = None
            call.serve(method.function)
        else:
            call.stream(method.function)

    def _woken(self, _event: Any) -> None:
        with self._waking:
            self._wake_is_due = False

    def _shut_down(self) -> None:
        self._farewell = None
        self._stage = _Stage.STOPPING
        self._server.shutdown(self._queue, self._stopped)

    def _stopped(self, _event: Any) -> None:
        self._stage = _Stage.STOPPED


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _boxed(credentials: Any) -> Any:
    """Give what grpcio's public class holds: the credentials as the C core takes them."""
    return credentials._credentials  # noqa: SLF001 - there is no other way to them


def _why_not(host: str, port: int) -> str:
    """Why the address cannot be bound. The C core tells its own log only, so try again in the open."""
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, protocol) as trial:
                trial.bind(address)
                trial.listen()
    except OSError as error:
        return error.strerror or str(error)
    return "the C core refused it; its own log names the reason"
