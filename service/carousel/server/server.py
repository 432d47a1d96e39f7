"""The house put together: settings in, a running server, an orderly end."""

import gc
import logging
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FrameType

from carousel import http, transport
from carousel.batching import Admission
from carousel.loop import Loop
from carousel.rpc.services import Services
from carousel.rpc.tfserving import Warming
from carousel.server import from_settings
from carousel.server.draining import Drain
from carousel.serving import (
    Catalog,
    Lanes,
    Lifecycle,
    Loader,
    Model,
    Phase,
    Policies,
    Rollout,
    Sessions,
    Version,
    usable_cores,
)
from carousel.settings import Settings, read_policies
from carousel.telemetry import Readings, Usage, raise_descriptor_limit
from carousel.transport import Port

logger = logging.getLogger("carousel.server")

_OTHER_FILES = 128  # what a process keeps open beside its connections, /metrics included
_MIN_PING_INTERVAL = 5.0  # seconds: clients keep idle live streams open through balancers by a ping every 10 s
_SWEEP_EVERY = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Shared:
    """What a worker has from its supervisor.

    Attributes:
        listener: The socket of HTTP; each connection is taken by one of the workers.
        readings: Asks for what all workers counted together. May block.
        early: Whether HTTP is to be answered before the models are loaded: no other worker does.
    """

    listener: socket.socket
    readings: Callable[[], Readings]
    early: bool


class Server:
    """One process that serves: everything is built in `__init__`, runs in `run`, and ends by `drain` or a signal.

    Attributes:
        port: The port gRPC listens on.
        http_port: The port HTTP listens on.
    """

    def __init__(self, settings: Settings, *, shared: Shared | None = None) -> None:
        """Bind the ports. A worker's are held by its supervisor, which is what it has `shared` with it.

        Raises:
            OSError: An address cannot be bound, or a TLS file cannot be read.
        """
        self._settings = settings
        self._credentials = from_settings.server_credentials(settings)
        self._access = from_settings.access(settings)
        self._held = [] if shared else [Port(settings.host, number) for number in settings.grpc_ports]
        self._ports = settings.grpc_ports if shared else tuple(held.number for held in self._held)
        self.port = self._ports[0]
        self._lanes = Lanes(settings.lanes or usable_cores() // (settings.workers * settings.engine_threads) or 1)
        self._admission = Admission(settings.max_backlog_seconds, self._lanes.count)
        self._lifecycle = Lifecycle()
        limits = from_settings.limits(settings)
        self._sessions = Sessions(
            limits,
            max_open=settings.max_sessions,
            max_per_scope=settings.max_sessions_per_stream,
            idle_seconds=settings.session_idle_seconds,
        )
        self._catalog = Catalog(self._sessions, self._tell_health, drain_seconds=settings.session_drain_seconds)
        policies = Policies(
            settings.keep_versions,
            settings.models,
            settings.config,
            read_policies,
            tensorflow_batches=settings.tensorflow_batches,
        )
        self._rollout = Rollout(
            settings.repository,
            self._catalog,
            self._post,
            self._add,
            policies=policies,
            choice=settings.engine,
            threads=settings.engine_threads,
            pause=max(settings.poll_seconds, 1.0),
            settle=settings.settle_seconds,
            timeout=settings.load_timeout_seconds,
            allow_fallback=settings.allow_fallback,
            warm=Warming(limits, settings.max_message_bytes).replay,
        )
        self._loader = Loader(self._rollout, policies, self._post, every=settings.poll_seconds)
        self._services = Services(
            self._catalog,
            self._sessions,
            self._loader,
            self._lifecycle,
            limits,
            self._access,
            from_settings.rpc_options(settings),
        )
        self._transport = transport.Server(
            self._services.methods,
            max_receive_bytes=settings.max_message_bytes,
            max_connections=self._max_connections(),
            max_connection_idle=settings.max_connection_idle_seconds,
            keepalive_time=settings.keepalive_seconds,
            keepalive_timeout=settings.keepalive_timeout_seconds,
            min_ping_interval=_MIN_PING_INTERVAL,
            max_connection_age=settings.max_connection_age_seconds,
            max_connection_age_grace=settings.drain_seconds,
            compression=settings.compression,
            reuse_port=True,
            first_call=True,
            max_concurrent_streams=settings.max_calls_per_connection,
            patience=from_settings.patience(settings),
            observe=self._services.observe,
        )
        self._loop = Loop(self._transport)
        self._drain = Drain(
            self._loop,
            self._transport,
            self._lifecycle,
            self._sessions,
            self._services.requests,
            self._services.streams,
            self._tell_health,
            notice_seconds=settings.drain_notice_seconds,
            longest_seconds=settings.drain_seconds,
        )
        self._early = shared is None or shared.early
        self._endpoint = http.Endpoint(
            shared.listener if shared else transport.listen(settings.http_host, settings.http_port),
            http.site(
                self._catalog,
                self._sessions,
                self._services.requests,
                self._lifecycle,
                limits,
                from_settings.http_options(settings),
                self._services.infer,
                self._loader,
                self._access,
                post=self._post,
                serving=lambda: self._services.health.serving,
                readings=shared.readings if shared else self.ask_readings,
                grpc_port=self.port,
            ),
            bounds=from_settings.http_bounds(settings),
            tls=from_settings.tls_files(settings) if settings.http_tls else None,
        )
        self.http_port = self._endpoint.port
        self._status = 0

    def run(self, announce: Callable[[], None] = lambda: None) -> int:
        """Load, listen, `announce` that on the loop's thread, serve until the drain is over; return the exit status."""
        if message := transport.untested():
            logger.warning(message)
        if self._early:
            self._endpoint.start()
        self._loader.start(lambda: self._listen(announce))
        self._access.start()
        self._sweep()
        self._loop.run()
        self._access.stop()
        self._loader.stop()
        self._endpoint.stop()
        self._transport.close()
        self._lanes.close()
        for held in self._held:
            held.close()
        return self._status

    def drain(self) -> None:
        """Say NOT_SERVING, wait for balancers to notice, finish what is admitted, and return from `run`.

        From any thread, or a signal handler.
        """
        self._loop.post(self._drain.begin)

    def drain_on_signals(self) -> None:
        """Drain on SIGTERM and SIGINT, and read the version policies again on SIGHUP. On the main thread."""

        def received(number: int, _frame: FrameType | None) -> None:
            logger.info("%s: draining", signal.Signals(number).name)
            self.drain()

        signal.signal(signal.SIGTERM, received)
        signal.signal(signal.SIGINT, received)
        signal.signal(signal.SIGHUP, lambda _number, _frame: self._loader.read_again())

    def ask_readings(self) -> Readings:
        """Copy every number. From any thread but the loop's."""
        return self._loop.ask(partial(self._readings, Usage.now()))

    def ask_pulse(self) -> bool | None:
        """Say whether it takes connections; None when an engine stands still. From any thread but the loop's.

        Raises:
            TimeoutError: The loop stands still.
        """
        return self._loop.ask(self._pulse)

    def _pulse(self) -> bool | None:
        now, allowed = time.monotonic(), self._settings.worker_timeout_seconds
        return None if any(model.late_seconds(now) > allowed for model in self._catalog) else self._listening

    @property
    def _listening(self) -> bool:
        return self._lifecycle.phase is not Phase.STARTING

    def _post(self, function: Callable[[], None]) -> None:
        self._loop.post(function)

    def _sweep(self) -> None:
        """End what was idle for too long, and close what was retired; every second."""
        self._sessions.expire()
        self._services.streams.expire(self._settings.stream_idle_seconds)
        self._catalog.sweep()
        self._loop.after(_SWEEP_EVERY, self._sweep)

    def _max_connections(self) -> int:
        """Make room for the connections that the settings allow, and say so where the system allows fewer."""
        wanted = self._settings.max_connections
        possible = raise_descriptor_limit(wanted + _OTHER_FILES) - _OTHER_FILES
        if possible >= wanted:
            return wanted
        possible = max(1, possible)
        logger.warning(
            "max_connections is %d, but this process may open %d files (ulimit -n): taking %d connections",
            wanted,
            possible + _OTHER_FILES,
            possible,
        )
        return possible

    def _readings(self, usage: Usage) -> Readings:
        now = time.monotonic()
        self._admission.relax(now)
        return Readings(
            self._services.health.serving,
            tuple(model.read(self._sessions.read(model, now)) for model in self._catalog),
            dict(self._services.counting.read()),
            self._rollout.loads.copy(),
            self._transport.open_calls,
            self._admission.pace,
            usage,
            len(self._rollout.folders.unreadable),
            now - self._rollout.looked_at,
        )

    def _add(self, version: Version) -> None:
        self._catalog.add(Model(version, self._admission, self._loop.post, begin=self._loop.begin, lanes=self._lanes))

    def _tell_health(self) -> None:
        """Be SERVING once everything that was there at the start is loaded, and something is; so each model."""
        self._services.health.set(self._catalog.names, serving=self._lifecycle.phase is Phase.SERVING)

    def _listen(self, announce: Callable[[], None]) -> None:
        """Take connections: whoever gets one finds everything that was there at the start."""
        if self._lifecycle.phase is not Phase.STARTING:
            return
        try:
            for number, credentials in zip(self._ports, (self._credentials, None), strict=False):
                self._transport.listen(self._settings.host, number, credentials)
            if self._settings.admin_socket is not None:
                self._transport.listen_locally(self._settings.admin_socket)
        except OSError as error:
            logger.error("%s", error)  # noqa: TRY400 - the sentence says it all
            self._status = 1
            self._loop.stop()
            return
        self._transport.start()
        if not self._early:
            self._endpoint.start()
        self._lifecycle.advance(Phase.SERVING)
        self._tell_health()
        if not len(self._catalog):
            logger.warning("nothing to serve in %s yet: NOT_SERVING until there is", self._settings.repository)
        # What is loaded by now stays: the collector need not walk it again, and is run less often.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        announce()
