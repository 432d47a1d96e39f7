"""grpc.health.v1: what Kubernetes' probes and clients' balancers ask."""

from collections.abc import Callable

from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from carousel.errors import CarouselError, shortened
from carousel.rpc.interceptors import Kind, Method
from carousel.rpc.parsing import parse
from carousel.rpc.stream import Stream, Streams
from carousel.transport import Call, Code, Status

HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
UNKNOWN = HealthCheckResponse.SERVICE_UNKNOWN


class Health:
    """Whether this server takes requests, for the server as a whole (""), each of its services and each model.

    Attributes:
        methods: Its rpcs.
    """

    def __init__(self, services: frozenset[str], streams: Streams) -> None:
        """Answer for these full service names; not serving yet."""
        self._services = services | {""}
        self._status: int = NOT_SERVING
        self._models: dict[str, int] = {}
        self._watches: dict[_Watch, None] = {}
        self._streams = streams
        self.methods = (
            Method(HEALTH, "Check", Kind.UNARY, self._check, None),
            Method(HEALTH, "Watch", Kind.SERVER_STREAM, self._watch, None),
        )

    @property
    def serving(self) -> bool:
        """Whether requests are welcome."""
        return self._status == SERVING

    def set(self, models: frozenset[str], *, serving: bool) -> None:
        """Say whether requests are welcome, and which models take them, each under its name.

        A model that took requests and is not among them says NOT_SERVING. Every watch is told what changed for it.
        """
        status = SERVING if serving else NOT_SERVING
        self._status = status if models else NOT_SERVING
        self._models = dict.fromkeys(self._models, NOT_SERVING) | dict.fromkeys(models, status)
        for watch in self._watches:
            watch.tell()

    def status_of(self, name: str) -> int:
        """Say the status of a service by its full name, or of a model; a service goes before a model of its name."""
        return self._status if name in self._services else self._models.get(name, UNKNOWN)

    def _watch(self, call: Call) -> None:
        _Watch(self._watches, self.status_of, self._streams, call)

    def _check(self, call: Call, message: bytes) -> None:
        name = parse(HealthCheckRequest, message).service
        status = self.status_of(name)
        if status == UNKNOWN:
            call.fail(Status(Code.NOT_FOUND, f"no service or model {shortened(name)!r} here"))
        else:
            call.reply(HealthCheckResponse(status=status).SerializeToString())


class _Watch:
    """One client that watches: told now and at every change, until it leaves or the server drains."""

    open = False

    def __init__(
        self, watches: "dict[_Watch, None]", status_of: Callable[[str], int], streams: Streams, call: Call
    ) -> None:
        self._watches = watches
        self._status_of = status_of
        self._name = ""
        self._told: int | None = None
        self._stream = Stream(streams, call, HealthCheckRequest, one_request=True)
        self._stream.begin(self)

    def take(self, request: HealthCheckRequest) -> None:
        self._name = request.service
        self._watches[self] = None
        self.tell()

    def refuse(self, _request: HealthCheckRequest, error: CarouselError) -> None:
        self._stream.fail(error)

    def ended(self, *, client_gone: bool) -> None:  # noqa: ARG002 - both ends are the same here
        self._watches.pop(self, None)

    def tell(self) -> None:
        """Say the status of the moment, where it is another than before."""
        status = self._status_of(self._name)
        if status != self._told:
            self._told = status
            self._stream.send(HealthCheckResponse(status=status))
