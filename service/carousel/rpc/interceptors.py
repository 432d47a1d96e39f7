"""What stands between the transport and a method: each interceptor is a function from handler to handler."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from grpc import StatusCode

from carousel.access import Access, Scope
from carousel.errors import CarouselError, Forbidden, GoingAway
from carousel.serving import Lifecycle, unexpected
from carousel.telemetry import RpcCounters
from carousel.transport import Call, Code, Status, Streaming, Unary
from carousel.wire import status_of, trace_of

Handler = Callable[..., None]
"""Serves a call: of a unary method with its message, of a stream with nothing else."""

_CLIENT = 256  # characters of a client's name that tell it from others
CODE_NAMES = {code.value[0]: code.name for code in StatusCode}


class Kind(StrEnum):
    """How many messages go each way, as stock dashboards say it."""

    UNARY = "unary"
    SERVER_STREAM = "server_stream"
    BIDI_STREAM = "bidi_stream"


@dataclass(frozen=True, slots=True)
class Method:
    """One rpc.

    Attributes:
        service: Its full name, as carousel.v1.InferenceService.
        name: The method's own.
        kind: How many messages go each way.
        handler: Serves a call.
        scope: What its callers need where tokens are asked for; None for what anybody may know.
    """

    service: str
    name: str
    kind: Kind
    handler: Handler
    scope: Scope | None = Scope.PREDICT

    @property
    def path(self) -> str:
        """Its full name, as it goes over the wire."""
        return f"/{self.service}/{self.name}"


Interceptor = Callable[[Method, Handler], Handler]
"""Puts itself before the handler of a method."""


def intercepted(method: Method, interceptors: tuple[Interceptor, ...]) -> Unary | Streaming:
    """Put interceptors before a method, the first of them outermost."""
    handler = method.handler
    for interceptor in reversed(interceptors):
        handler = interceptor(method, handler)
    return Unary(handler) if method.kind is Kind.UNARY else Streaming(handler)


def answering_errors(method: Method, handler: Handler) -> Handler:
    """Answer with the errors that a handler raises; what is no CarouselError is a bug, and is answered as one."""

    def guarded(call: Call, *message: bytes) -> None:
        try:
            handler(call, *message)
        except CarouselError as error:
            fail(call, error)
        except Exception as bug:  # noqa: BLE001 - whatever a bug raises ends this call, and nothing else
            fail(call, unexpected(bug, f"{method.path} failed"))

    return guarded


def refusing_while_draining(lifecycle: Lifecycle, but: frozenset[str]) -> Interceptor:
    """Send new calls elsewhere while the server drains, by a status that clients retry; not of the services `but`."""

    def interceptor(method: Method, handler: Handler) -> Handler:
        if method.service in but:
            return handler

        def guarded(call: Call, *message: bytes) -> None:
            if lifecycle.draining:
                raise GoingAway("the server is going away: another one will answer")
            handler(call, *message)

        return guarded

    return interceptor


def requiring_tls(but: frozenset[str]) -> Interceptor:
    """Serve over TLS alone, but for the services `but`: a plaintext port beside it is for Kubernetes' probes."""

    def interceptor(method: Method, handler: Handler) -> Handler:
        if method.service in but:
            return handler

        def guarded(call: Call, *message: bytes) -> None:
            if call.secure or call.local:
                handler(call, *message)
            else:
                text = f"{call.method} is served over TLS; this port is for health alone"
                call.fail(Status(Code.UNAUTHENTICATED, text))

        return guarded

    return interceptor


def requiring_tokens(access: Access, *, name_clients: bool) -> Interceptor:
    """Serve whoever brings a token for the method's scope; `name_clients` makes shares theirs, not their addresses'."""

    def interceptor(method: Method, handler: Handler) -> Handler:
        scope = method.scope
        if scope is None or access.open:
            return handler

        def guarded(call: Call, *message: bytes) -> None:
            named = next((value for key, value in call.metadata if key == "authorization"), None)
            client = access.check(named if isinstance(named, str) else None, scope)
            if name_clients:
                call.client = f"token:{client}"[:_CLIENT]
            handler(call, *message)

        return guarded

    return interceptor


def keeping_admin_local(method: Method, handler: Handler) -> Handler:
    """Serve what changes things over the Unix socket alone."""
    if method.scope is not Scope.ADMIN:
        return handler

    def guarded(call: Call, *message: bytes) -> None:
        if not call.local:
            raise Forbidden(f"{call.method} is served on the server's admin_socket alone")
        handler(call, *message)

    return guarded


def knowing_clients(key: str | None) -> Interceptor:
    """Note whose each call is, for fair shares: by the metadata `key`, or else by the peer's address.

    A client has many connections, so the port is left out. Many names would cost memory: a value is cut.
    """

    def interceptor(_method: Method, handler: Handler) -> Handler:
        def known(call: Call, *message: bytes) -> None:
            named = None if key is None else next((value for name, value in call.metadata if name == key), None)
            call.client = str(named)[:_CLIENT] if named else call.peer.rpartition(":")[0]
            handler(call, *message)

        return known

    return interceptor


class Counting:
    """Counts every call when it begins and when it is over. An interceptor, and what the transport tells of its end."""

    def __init__(self) -> None:
        self._counters: dict[str, RpcCounters] = {}

    def __call__(self, method: Method, handler: Handler) -> Handler:
        """Count the calls of a method."""
        counters = self._counters[method.path] = RpcCounters(method.kind)

        def counted(call: Call, *message: bytes) -> None:
            counters.started += 1
            handler(call, *message)

        return counted

    def observe(self, call: Call, code: int) -> None:
        """Count a call that is over."""
        counters = self._counters.get(call.method)
        if counters is not None:
            counters.handled[CODE_NAMES.get(code, "UNKNOWN")] += 1
            counters.seconds.add(time.monotonic() - call.began, trace_of(call.metadata))

    def read(self) -> Mapping[str, RpcCounters]:
        """Copy what was counted, by full method name."""
        return {path: counters.copy() for path, counters in self._counters.items()}


def fail(call: Call, error: CarouselError) -> None:
    """Answer with an error."""
    call.reason = type(error).__name__
    call.fail(Status(*status_of(error)))
