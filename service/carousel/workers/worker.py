"""One worker: a server in a process of its own, and what its supervisor knows of it."""

import contextlib
import logging
import multiprocessing
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from carousel.settings import Settings
from carousel.telemetry import Readings, log_to_stderr

if TYPE_CHECKING:
    from carousel.server import Server

logger = logging.getLogger("carousel.worker")

_SPAWN = multiprocessing.get_context("spawn")  # gRPC's threads do not survive a fork
_BEAT = 0.5  # seconds between two signs of life
_STARTING = 120.0  # seconds that one which does not serve yet may be silent: imports and loads take the interpreter
_PATIENCE = 2.0  # seconds that a worker has to say its readings
_LATE = 4 * _BEAT  # seconds of silence after which it is not asked for them


class Worker:
    """A process that serves on ports its supervisor holds. Started by its construction.

    Attributes:
        listening: Whether it has said that it takes connections.
        readings: What it counted, as far as it said.
    """

    def __init__(
        self, settings: Settings, listener: socket.socket, together: Callable[[], Readings], *, early: bool
    ) -> None:
        """Start it; `together` gives what all workers counted, for whoever asks this one."""
        self._line, line = _SPAWN.Pipe()
        self._sum, sum_ = _SPAWN.Pipe()
        self.pulse, pulse = _SPAWN.Pipe(duplex=False)
        arguments = (settings, listener, line, sum_, pulse, early)
        self.process = _SPAWN.Process(target=_work, args=arguments, name="carousel-worker")
        self.process.start()
        for end in (line, sum_, pulse):
            end.close()
        threading.Thread(target=_add_up, args=(self._sum, together), daemon=True).start()
        self.started = time.monotonic()
        self.listening = False
        self.readings: Readings | None = None
        self._heard: float | None = None
        self._limit = settings.worker_timeout_seconds
        self._asking = threading.Lock()

    def hear(self) -> None:
        """Take in its signs of life. On the supervisor's thread alone."""
        with contextlib.suppress(EOFError, OSError):  # it is gone: its sentinel says so as well
            while self.pulse.poll():
                self.listening = self.pulse.recv()
                self._heard = time.monotonic()

    @property
    def silent_seconds(self) -> float:
        """Seconds since its last sign of life, or since its start."""
        return time.monotonic() - (self._heard or self.started)

    @property
    def hangs(self) -> bool:
        """Whether it has given no sign of life for longer than it may."""
        return self.silent_seconds > (self._limit if self.listening else _STARTING)

    def ask(self) -> Readings | None:
        """Ask for its readings; what it said last when it does not answer. From any thread."""
        with self._asking:
            if self._heard is None or self.silent_seconds > _LATE:
                return self.readings
            with contextlib.suppress(EOFError, OSError):  # it is gone; the supervisor is about to notice
                while self._line.poll():  # an answer that came too late for the scrape before
                    self.readings = self._line.recv()
                self._line.send(None)
                if self._line.poll(_PATIENCE):
                    self.readings = self._line.recv()
        return self.readings

    @property
    def ended_in_order(self) -> bool:
        """Whether it ended drained, or by SIGTERM before it had anything to drain."""
        return self.process.exitcode == 0 or (not self.listening and self.process.exitcode == -signal.SIGTERM)


def _add_up(line: Connection, together: Callable[[], Readings]) -> None:
    """Say what all workers counted whenever a worker asks, until it has ended. On a thread of the supervisor's."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            line.recv()
            line.send(together())


def _work(
    settings: Settings, listener: socket.socket, line: Connection, together: Connection, pulse: Connection, early: bool
) -> None:
    """Be one worker."""
    from carousel.server import Server, Shared, leave  # noqa: PLC0415 - the supervisor needs no engine

    log_to_stderr(settings.log_level, settings.log_format)
    try:
        server = Server(settings, shared=Shared(listener, partial(_ask_for_all, together, threading.Lock()), early))
    except OSError as error:
        logger.error("%s", error)  # noqa: TRY400 - the sentence says it all
        sys.exit(1)
    server.drain_on_signals()
    for target, end in ((_tell, line), (_beat, pulse)):
        threading.Thread(target=target, args=(server, end), daemon=True).start()
    leave(server.run())


def _ask_for_all(line: Connection, lock: "threading.Lock") -> Readings:
    """Ask the supervisor what all workers counted."""
    with lock:
        line.send(None)
        readings: Readings = line.recv()
        return readings


def _tell(server: "Server", line: Connection) -> None:
    """Say the readings whenever the supervisor asks; end with it, however it ended."""
    while True:
        try:
            line.recv()
            line.send(server.ask_readings())
        except TimeoutError:  # the loop stands still; the supervisor will see it by the pulse
            continue
        except (EOFError, OSError):
            server.drain()
            return


def _beat(server: "Server", pulse: Connection) -> None:
    """Give signs of life, each of them through the loop: where it or an engine stands still, there are none."""
    while True:
        try:
            listening = server.ask_pulse()
            if listening is not None:
                pulse.send(listening)
        except TimeoutError:
            continue
        except OSError:
            return
        time.sleep(_BEAT)
