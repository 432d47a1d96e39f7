"""Several processes on one port, one loop each: how one machine's cores are used."""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait
from types import FrameType

from carousel.settings import Settings
from carousel.telemetry import Readings, Usage
from carousel.transport import Port, check_certificates, listen
from carousel.workers.worker import Worker

logger = logging.getLogger("carousel.workers")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds before a worker that ended is started again
_STEADY = 60.0  # seconds after which a worker counts as healthy, and its next pause is short again
_LOOK = 0.5  # seconds between two looks at who hangs and whose pause is over
_ENDING = 10.0  # seconds that a worker may take to end after its drain


@dataclass(slots=True)
class _Place:
    """Where one worker after the other runs."""

    worker: Worker | None = None
    last: int | None = None
    due: float = 0.0
    pause: float = _FIRST_PAUSE


class Workers:
    """Starts `settings.workers` servers on one port, starts again who ends or hangs, and adds up what all counted.

    The kernel gives each new connection to one of them (SO_REUSEPORT), so a client with one connection uses one core;
    `max_connection_age_seconds` spreads long-lived ones. A worker listens once it has loaded. HTTP's connections wait
    on one socket, and a worker that is free takes the next.

    Attributes:
        port: The port gRPC listens on.
        http_port: The port HTTP listens on.
    """

    def __init__(self, settings: Settings) -> None:
        """Bind the ports. Raises OSError when an address cannot be bound, or a TLS file cannot be used."""
        if settings.tls_certificate is not None and settings.tls_key is not None:
            check_certificates(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
        self._held = [Port(settings.host, number) for number in settings.grpc_ports]
        self.port, *health = (held.number for held in self._held)
        self._settings = settings.model_copy(update={"port": self.port, "health_port": health[0] if health else None})
        self._places = [_Place() for _ in range(settings.workers)]
        self._past: list[Readings] = []
        self._listened = False
        self._stopping = False
        self._woken, self._waking = os.pipe()
        self._listener = listen(settings.http_host, settings.http_port)
        self.http_port: int = self._listener.getsockname()[1]

    def run(self, announce: Callable[[], None] = lambda: None) -> int:
        """Supervise until a signal, then drain every worker; `announce` when all take connections.

        Returns:
            The exit status: 0 when each worker drained in order, 1 otherwise, or when none could start.
        """
        started = True
        while not self._stopping and started:
            for place in self._places:
                started = self._attend(place) and started
            if not self._listened and all(worker.listening for worker in self._workers):
                self._listened = True
                announce()
            self._wait()
        status = self._drain()
        self._listener.close()
        for held in self._held:
            held.close()
        return status if started else 1

    def drain_on_signals(self) -> None:
        """Drain on SIGTERM and SIGINT; hand SIGHUP on. On the main thread."""

        def received(number: int, _frame: FrameType | None) -> None:
            logger.info("%s: draining %d workers", signal.Signals(number).name, len(self._workers))
            self._stopping = True
            os.write(self._waking, b"\0")

        signal.signal(signal.SIGTERM, received)
        signal.signal(signal.SIGINT, received)
        signal.signal(signal.SIGHUP, lambda _number, _frame: self._hand_on(signal.SIGHUP))

    def _hand_on(self, number: int) -> None:
        """Give a signal to every worker that is ready for it; the others read everything as they start."""
        for worker in self._workers:
            if worker.listening and worker.process.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.process.pid, number)

    def readings(self) -> Readings:
        """Add up what every worker counted, those that ended before included, and what this process takes."""
        said = [readings for worker in self._workers if (readings := worker.ask()) is not None]
        return Readings.together([*said, *self._past, Readings.nothing(Usage.now(), serving=bool(said))])

    @property
    def _workers(self) -> list[Worker]:
        return [place.worker for place in self._places if place.worker is not None]

    def _wait(self) -> None:
        """Wait for a sign of life, the end of a worker, a signal, or the time to look."""
        alive = [worker for worker in self._workers if worker.process.is_alive()]
        ends = [end for worker in alive for end in (worker.process.sentinel, worker.pulse)]
        wait(ends if self._stopping else [*ends, self._woken], timeout=_LOOK)
        for worker in self._workers:
            worker.hear()

    def _attend(self, place: _Place) -> bool:
        """Start, end or bury the worker of a place; False if it ended before any of them took a connection."""
        worker, now = place.worker, time.monotonic()
        if worker is None:
            if now >= place.due:
                place.worker = Worker(self._settings, self._listener, self.readings, early=not self._listened)
                replaces = "" if place.last is None else f" in place of {place.last}"
                logger.info("worker %s started%s", place.worker.process.pid, replaces)
        elif worker.process.is_alive():
            self._end_if_it_hangs(worker)
        elif not self._listened:
            logger.error("worker %s could not start, status %s", worker.process.pid, worker.process.exitcode)
            return False
        else:
            if now - worker.started > _STEADY:
                place.pause = _FIRST_PAUSE
            logger.error(
                "worker %s ended with status %s; starting another in %.1f s",
                worker.process.pid,
                worker.process.exitcode,
                place.pause,
            )
            if worker.readings is not None:
                # Counters may not fall when a worker is replaced.
                self._past = [Readings.together([worker.readings.past(), *self._past])]
            place.worker, place.last, place.due = None, worker.process.pid, now + place.pause
            place.pause = min(2 * place.pause, _LONGEST_PAUSE)
        return True

    def _end_if_it_hangs(self, worker: Worker) -> None:
        if worker.hangs:
            logger.error("worker %s has not moved for %.1f s; killing it", worker.process.pid, worker.silent_seconds)
            worker.process.kill()  # SIGTERM would wait, as the worker does
            worker.process.join()

    def _drain(self) -> int:
        """Ask every worker to drain, wait for all, and return the exit status."""
        self._stopping = True
        end = time.monotonic() + self._settings.drain_notice_seconds + self._settings.drain_seconds + _ENDING
        for worker in self._workers:
            worker.process.terminate()
        while alive := [worker for worker in self._workers if worker.process.is_alive()]:
            self._wait()
            for worker in alive:
                self._end_if_it_hangs(worker)
                if time.monotonic() > end and worker.process.is_alive():
                    logger.error("worker %s did not end; killing it", worker.process.pid)
                    worker.process.kill()
        return 0 if all(worker.ended_in_order for worker in self._workers) else 1
