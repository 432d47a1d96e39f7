"""grpc.health.v1: what Kubernetes' probes and clients' balancers ask."""

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from carousel.transport import Call, Code, Status

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


class Health:
    """Whether this server takes requests, for the server as a whole ("") and each of its services."""

    def __init__(self, services: frozenset[str]) -> None:
        """Answer for these full service names; not serving yet."""
        self._services = services | {""}
        self._status: int = NOT_SERVING
        self._watchers: dict[Call, None] = {}

    @property
    def serving(self) -> bool:
        """Whether requests are welcome."""
        return self._status == SERVING

    def set(self, *, serving: bool) -> None:
        """Say whether requests are welcome; everyone who watches is told."""
        status = SERVING if serving else NOT_SERVING
        if status != self._status:
            self._status = status
            for call in self._watchers:
                self._tell(call)

    def check(self, call: Call, message: bytes) -> None:
        """Answer once."""
        service = HealthCheckRequest.FromString(message).service
        if service in self._services:
            call.reply(HealthCheckResponse(status=self._status).SerializeToString())
        else:
            call.fail(Status(Code.NOT_FOUND, f"no service {service!r} here"))

    def watch(self, call: Call) -> None:
        """Answer now and at every change, until the client leaves."""
        call.receive(lambda message: self._watch(call, message))

    def end_watches(self) -> None:
        """Close every watch, so that a drain does not wait for them."""
        for call in self._watchers:
            call.finish()
        self._watchers.clear()

    def _watch(self, call: Call, message: bytes | None) -> None:
        if message is None:
            call.fail(Status(Code.INVALID_ARGUMENT, "Watch takes one request, and none came"))
            return
        service = HealthCheckRequest.FromString(message).service
        if service not in self._services:
            call.send(HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN).SerializeToString())
            return
        self._watchers[call] = None
        call.on_cancel = lambda: self._watchers.pop(call, None)
        self._tell(call)

    def _tell(self, call: Call) -> None:
        call.send(HealthCheckResponse(status=self._status).SerializeToString())
