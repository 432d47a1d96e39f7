"""Several processes on one port, one loop each: how one machine's cores are used."""

import logging
import multiprocessing
import signal
import socket
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

from carousel.settings import Settings
from carousel.telemetry import Readings, Usage, log_to_stderr
from carousel.telemetry import prometheus as metrics

logger = logging.getLogger("carousel.workers")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds before a worker that ended is started again
_STEADY = 60.0  # seconds after which a worker counts as healthy, and its next pause is short again
_PATIENCE = 2.0  # seconds that a worker has to say its readings
_SPAWN = multiprocessing.get_context("spawn")  # gRPC's threads do not survive a fork


@dataclass(slots=True)
class _Worker:
    """One process, its line to the supervisor, and what it last said."""

    process: BaseProcess
    line: Connection
    started: float
    readings: Readings | None = None
    asking: threading.Lock = field(default_factory=threading.Lock)

    def ask(self) -> Readings | None:
        """Ask for its readings; what it said last when it does not answer."""
        with self.asking:
            try:
                while self.line.poll():  # an answer that came too late for the scrape before
                    self.readings = self.line.recv()
                self.line.send(None)
                if self.line.poll(_PATIENCE):
                    self.readings = self.line.recv()
            except (EOFError, OSError):
                pass  # it is gone; the supervisor is about to notice
        return self.readings


class Workers:
    """Starts `settings.workers` servers on one port, starts again who ends, and answers /metrics for all together.

    The kernel gives each new connection to one of them (SO_REUSEPORT), so a client with one connection uses one core;
    `max_connection_age_seconds` spreads long-lived ones.

    Attributes:
        port: The port gRPC listens on.
        http_port: The port /metrics listens on.
    """

    def __init__(self, settings: Settings) -> None:
        """Bind the ports. Raises OSError when an address cannot be bound."""
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        # Bound but not listening: it holds the port, a free one too, and takes no connection.
        self._held = socket.socket(family, socket.SOCK_STREAM)
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._held.bind((settings.host, settings.port))
        self.port: int = self._held.getsockname()[1]
        self._settings = settings.model_copy(update={"port": self.port})
        self._workers: list[_Worker] = []
        self._past: list[Readings] = []
        self._pause = _FIRST_PAUSE
        self._stopping = threading.Event()
        self._metrics, self.http_port = metrics.serve_metrics(self.readings, settings.http_host, settings.http_port)

    def run(self) -> int:
        """Supervise until a signal, then drain every worker; return the exit status, 0 when each drained in order."""
        self._workers = [self._start() for _ in range(self._settings.workers)]
        while not self._stopping.is_set():
            wait([worker.process.sentinel for worker in self._workers], timeout=1.0)
            if not self._stopping.is_set():
                self._replace_the_dead()
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(self._settings.drain_notice_seconds + self._settings.drain_seconds + 10)
            if worker.process.is_alive():
                logger.warning("worker %s did not end; killing it", worker.process.pid)
                worker.process.kill()
                worker.process.join()
        self._metrics.shutdown()
        self._held.close()
        return 0 if all(worker.process.exitcode == 0 for worker in self._workers) else 1

    def drain_on_signals(self) -> None:
        """Drain on SIGTERM and SIGINT. On the main thread."""

        def received(number: int, _frame: FrameType | None) -> None:
            logger.info("%s: draining %d workers", signal.Signals(number).name, len(self._workers))
            self._stopping.set()

        signal.signal(signal.SIGTERM, received)
        signal.signal(signal.SIGINT, received)

    def readings(self) -> Readings:
        """Add up what every worker counted, those that ended before included, and what this process takes."""
        said = [readings for worker in list(self._workers) if (readings := worker.ask()) is not None]
        return Readings.together([*said, *self._past, Readings.nothing(Usage.now(), serving=bool(said))])

    def _start(self) -> _Worker:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_work, args=(self._settings, theirs), name="carousel-worker")
        process.start()
        theirs.close()
        return _Worker(process, ours, time.monotonic())

    def _replace_the_dead(self) -> None:
        for i, worker in enumerate(self._workers):
            if worker.process.is_alive():
                continue
            if time.monotonic() - worker.started > _STEADY:
                self._pause = _FIRST_PAUSE
            logger.error(
                "worker %s ended with status %s; starting another in %.1f s",
                worker.process.pid,
                worker.process.exitcode,
                self._pause,
            )
            if worker.readings is not None:
                # Counters may not fall when a worker is replaced.
                self._past = [Readings.together([worker.readings.past(), *self._past])]
            self._stopping.wait(self._pause)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            self._workers[i] = self._start()


def _work(settings: Settings, line: Connection) -> None:
    """Be one worker."""
    from carousel.server import Server  # noqa: PLC0415 - the supervisor needs no engine

    log_to_stderr(settings.log_level, settings.log_format)
    server = Server(settings, worker=True)
    server.drain_on_signals()
    threading.Thread(target=_tell, args=(server, line), daemon=True).start()
    server.run()


def _tell(server: Any, line: Connection) -> None:
    """Say the readings whenever the supervisor asks; end with it, however it ended."""
    try:
        while True:
            line.recv()
            line.send(server.ask_readings())
    except (EOFError, OSError):
        server.drain()
