"""Every service of this server, and the interceptors before its methods.

An rpc is a row in the `methods` of its service: `v1/inference.py` has carousel.v1's. Another begins in `protos/`, and
ends in `client/aio.py`.
"""

from collections.abc import Mapping
from typing import NamedTuple

from carousel.access import Access
from carousel.oip import Infer, Rules, Sequences
from carousel.rpc.call_log import CallLog
from carousel.rpc.health import HEALTH, Health
from carousel.rpc.interceptors import (
    Counting,
    Interceptor,
    Method,
    answering_errors,
    intercepted,
    keeping_admin_local,
    knowing_clients,
    refusing_while_draining,
    requiring_tls,
    requiring_tokens,
)
from carousel.rpc.open_inference import OPEN_INFERENCE, OpenInference
from carousel.rpc.reflection import REFLECTION, Reflection
from carousel.rpc.stream import Streams
from carousel.rpc.tfserving import MODEL, PREDICTION, ModelService, PredictionService
from carousel.rpc.v1 import INFERENCE, Inference
from carousel.serving import Catalog, Lifecycle, Limits, Loader, Requests, Sessions
from carousel.stubs.tfserving import POOL
from carousel.transport import Call, Streaming, Unary


class Options(NamedTuple):
    """What is served, and how.

    Attributes:
        reflection: Whether gRPC reflection is.
        tls: Whether everything but health is served over TLS alone.
        convert_floats: Whether the Open Inference Protocol takes FP64 and FP16 inputs, rounded to FP32.
        repository_control: Whether models are loaded and unloaded by request.
        client_metadata: The metadata key that names a client, for fair shares; without one the token's name does, or
            the peer's address.
        admin_is_local: Whether what changes things is served over a Unix socket alone.
    """

    reflection: bool
    tls: bool
    convert_floats: bool
    repository_control: bool
    client_metadata: str | None
    admin_is_local: bool


class Services:
    """The services put together.

    Attributes:
        methods: Every rpc by its full name, with its interceptors before it.
        health: What is said of this server.
        streams: The open streams.
        requests: The neck that every request for whole sequences passes.
        infer: Those of the Open Inference Protocol, and its live sequences.
        counting: What is counted of every call.
    """

    def __init__(
        self,
        catalog: Catalog,
        sessions: Sessions,
        repository: Loader,
        lifecycle: Lifecycle,
        limits: Limits,
        access: Access,
        options: Options,
    ) -> None:
        self.requests = requests = Requests(catalog, limits)
        self.infer = Infer(requests, Sequences(catalog, sessions), Rules(limits, options.convert_floats))
        self.streams = Streams(lifecycle)
        self.health = Health(frozenset({INFERENCE, OPEN_INFERENCE, PREDICTION, MODEL}), self.streams)
        self.counting = Counting()
        self._log = CallLog()
        methods: list[Method] = [
            *Inference(catalog, requests, sessions, self.streams, limits).methods,
            *OpenInference(
                catalog,
                requests,
                self.infer,
                self.streams,
                limits,
                self.health,
                repository,
                control=options.repository_control,
            ).methods,
            *PredictionService(catalog, requests, limits).methods,
            *ModelService(catalog, repository, limits, control=options.repository_control).methods,
            *self.health.methods,
        ]
        if options.reflection:
            services = frozenset({INFERENCE, OPEN_INFERENCE, PREDICTION, MODEL, HEALTH, REFLECTION.format("v1")})
            methods += Reflection(services, self.streams, (POOL,)).methods
        probed = frozenset({HEALTH})
        interceptors: tuple[Interceptor, ...] = (
            self.counting,
            answering_errors,
            knowing_clients(options.client_metadata),
            *((requiring_tls(probed),) if options.tls else ()),
            *((keeping_admin_local,) if options.admin_is_local else ()),
            requiring_tokens(access, name_clients=options.client_metadata is None),
            refusing_while_draining(lifecycle, probed),
        )
        self.methods: Mapping[str, Unary | Streaming] = {
            method.path: intercepted(method, interceptors) for method in methods
        }

    def observe(self, call: Call, code: int) -> None:
        """Count a call that is over, and tell the log of it."""
        self.counting.observe(call, code)
        if call.method in self.methods:  # whatever else may be called is no request
            self._log.observe(call, code)
