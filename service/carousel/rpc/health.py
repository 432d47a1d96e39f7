"""grpc.health.v1: what Kubernetes' probes and clients' balancers ask."""

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from carousel.transport import Call, Code, Status

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
_UNKNOWN = HealthCheckResponse.SERVICE_UNKNOWN


class Health:
    """Whether this server takes requests, for the server as a whole (""), each of its services and each model."""

    def __init__(self, services: frozenset[str]) -> None:
        """Answer for these full service names; not serving yet."""
        self._services = services | {""}
        self._status: int = NOT_SERVING
        self._models: dict[str, int] = {}
        self._watchers: dict[Call, str] = {}

    @property
    def serving(self) -> bool:
        """Whether requests are welcome."""
        return self._status == SERVING

    def set(self, *, serving: bool) -> None:
        """Say whether requests are welcome; everyone who watches is told."""
        before = self._statuses()
        self._status = SERVING if serving else NOT_SERVING
        self._tell_changes(before)

    def set_models(self, names: frozenset[str], *, serving: bool) -> None:
        """Say which models take requests, each under its name; one that did and is not among them says NOT_SERVING."""
        before = self._statuses()
        self._models = dict.fromkeys(self._models, NOT_SERVING)
        self._models |= dict.fromkeys(names, SERVING if serving else NOT_SERVING)
        self._tell_changes(before)

    def check(self, call: Call, message: bytes) -> None:
        """Answer once."""
        service = HealthCheckRequest.FromString(message).service
        status = self._statuses().get(service)
        if status is None:
            call.fail(Status(Code.NOT_FOUND, f"no service or model {service!r} here"))
        else:
            call.reply(_response(status))

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
        self._watchers[call] = service
        call.on_cancel = lambda: self._left(call)
        call.send(_response(self._statuses().get(service, _UNKNOWN)))

    def _left(self, call: Call) -> None:
        self._watchers.pop(call, None)

    def _statuses(self) -> dict[str, int]:
        """Say the status of every name there is; a service goes before a model of the same name."""
        return self._models | dict.fromkeys(self._services, self._status)

    def _tell_changes(self, before: dict[str, int]) -> None:
        now = self._statuses()
        for call, service in self._watchers.items():
            if now.get(service) != before.get(service):
                call.send(_response(now.get(service, _UNKNOWN)))


def _response(status: int) -> bytes:
    return HealthCheckResponse(status=status).SerializeToString()
