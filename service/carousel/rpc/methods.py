"""Every service this server has, by full method name, and what is counted of each."""

import time
from collections.abc import Callable

from grpc import StatusCode
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from carousel.loop import Loop
from carousel.rpc.health import Health
from carousel.rpc.interceptors import Gate, secured, streaming, unary
from carousel.rpc.open_inference import SERVICE as _OPEN_INFERENCE
from carousel.rpc.open_inference import OpenInference, Repository
from carousel.rpc.reflection import Reflection
from carousel.rpc.trace import trace_of
from carousel.rpc.v1.live import Live
from carousel.rpc.v1.predict import Inference
from carousel.serving import Catalog, Roster
from carousel.settings import Settings
from carousel.stubs.v1 import inference_pb2
from carousel.telemetry import RpcCounters
from carousel.transport import Call, Streaming, Unary
from carousel.wire import Bounds

_INFERENCE = inference_pb2.DESCRIPTOR.services_by_name["InferenceService"].full_name
_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
_REFLECTION = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"].full_name

_CODES = {code.value[0]: code.name for code in StatusCode}
_EXPIRE_EVERY = 1.0  # seconds


class Services:
    """The services put together."""

    def __init__(self, catalog: Catalog, bounds: Bounds, settings: Settings) -> None:
        self._catalog = catalog
        self._roster = Roster(most=settings.max_sessions, idle_seconds=settings.session_idle_seconds)
        self._live = Live(catalog, bounds, self._roster, max_a_stream=settings.max_sessions_per_stream)
        catalog.on_retire = self._roster.retire
        inference = Inference(catalog, bounds)
        self.health = Health(frozenset({_INFERENCE, _OPEN_INFERENCE}))
        self._open_inference = OpenInference(
            catalog,
            bounds,
            self._roster,
            self.health,
            convert=settings.oip_convert_floats,
            control=settings.repository_control,
        )
        functions: dict[str, tuple[str, Callable[..., None]]] = {
            f"/{_INFERENCE}/Predict": ("unary", inference.predict),
            f"/{_INFERENCE}/Stream": ("bidi_stream", self._live.stream),
            f"/{_INFERENCE}/GetModel": ("unary", inference.get_model),
            f"/{_INFERENCE}/ListModels": ("unary", inference.list_models),
            f"/{_HEALTH}/Check": ("unary", self.health.check),
            f"/{_HEALTH}/Watch": ("server_stream", self.health.watch),
        }
        functions |= {name: (kind, function) for name, kind, function in self._open_inference.methods()}
        self._reflection = None
        if settings.reflection:
            self._reflection = reflection = Reflection(frozenset({_INFERENCE, _OPEN_INFERENCE, _HEALTH, _REFLECTION}))
            for version in ("v1", "v1alpha"):
                name = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
                functions[name] = ("bidi_stream", reflection.stream)
        self._gate = Gate()
        for name, (kind, function) in functions.items():
            if not name.startswith(f"/{_HEALTH}/"):
                functions[name] = (kind, self._gate.guard(function))
                if settings.tls_certificate is not None:
                    # A plaintext port beside TLS is for Kubernetes' probes, which speak nothing else.
                    functions[name] = (kind, secured(functions[name][1]))
        self._counters = {name: RpcCounters(kind) for name, (kind, _) in functions.items()}
        self.methods: dict[str, Unary | Streaming] = {
            name: (unary if kind == "unary" else streaming)(function, self._counters[name])
            for name, (kind, function) in functions.items()
        }

    def attach(self, loop: Loop, repository: Repository) -> None:
        """Begin what needs a timer; `repository` is asked to load and unload."""
        self._open_inference.repository.repository = repository

        def expire() -> None:
            self._roster.expire()
            self._catalog.sweep()
            loop.after(_EXPIRE_EVERY, expire)

        loop.after(_EXPIRE_EVERY, expire)

    def observe(self, call: Call, code: int) -> None:
        """Count a call that is over."""
        counters = self._counters.get(call.method)
        if counters is not None:
            counters.handled[_CODES.get(code, "UNKNOWN")] += 1
            counters.seconds.add(time.monotonic() - call.began, trace_of(call.metadata))

    def counters(self) -> dict[str, RpcCounters]:
        """Copy what was counted, by full method name."""
        return {name: counters.copy() for name, counters in self._counters.items()}

    def go_away(self) -> None:
        """Let nobody in any more, and let go of everything that would not end by itself."""
        self._gate.shut = True
        self.health.end_watches()
        if self._reflection is not None:
            self._reflection.go_away()
        self._roster.go_away()
        self._live.go_away()
        self._open_inference.streams.go_away()
