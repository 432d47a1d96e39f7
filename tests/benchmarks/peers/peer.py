"""What a peer is, and its server while it runs."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import grpc

from tests.benchmarks.machine import cpu_seconds, processes, resident
from tests.benchmarks.peers.environment import FOLDER, CannotRun, Environment
from tests.benchmarks.peers.shapes import Shape
from tests.benchmarks.peers.workloads import Workload

METHOD = "/inference.GRPCInferenceService/ModelInfer"

INSIDE = Path(__file__).parent / "inside"
"""What runs inside the peers' environments."""

_START = 300.0  # seconds to the first answer: TensorFlow is slow to import on a busy machine
_END = 5.0  # seconds to end after SIGTERM; MLServer takes longer, whatever is in flight

# Two cores for all: a library's own pool of threads would only be in the way of the server's.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "ORT_DISABLE_TELEMETRY": "1"}


@dataclass(frozen=True, slots=True)
class Launch:
    """How a server is started: the command, and what its environment has beside this process' own."""

    command: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that is measured.

    Attributes:
        name: As the table has it.
        settings: What it was given that is not its default, for people.
        environment: Its own; None for Carousel, which runs in that of this process.
        launch: Gives the command for a folder of its own, empty but for what it writes there, and a free port.
        workloads: The names of those that it can serve.
        prepare: What is to be done once the environment is made.
        max_in_flight: Calls beyond which a measurement of it would only be a wait.
    """

    name: str
    settings: str
    environment: Environment | None
    launch: Callable[[Path, int], Launch]
    workloads: tuple[str, ...] = ("A", "B", "C")
    prepare: Callable[[], None] = lambda: None
    max_in_flight: int = 64

    def takes(self, shape: Shape) -> bool:
        """Whether it is measured so."""
        in_flight = shape.full.in_flight if shape.share else shape.in_flight
        return shape.workload in self.workloads and in_flight <= self.max_in_flight

    def install(self) -> None:
        """Make all that it needs.

        Raises:
            CannotRun: As `Environment.install`.
        """
        if self.environment is not None:
            self.environment.install()
        self.prepare()

    @property
    def folder(self) -> Path:
        """Where its server keeps its files and its log."""
        return FOLDER / "-".join(re.findall(r"\w+", self.name.lower())) / "run"


class Running:
    """A peer's server from its start to its end.

    Attributes:
        peer: Whose it is.
        target: Where it listens.
        cold: Seconds from the start of its process to its first answer, which was right.
        cold_cpu: Seconds of processor time that it took by then.
    """

    def __init__(self, peer: Peer, first: Workload) -> None:
        """Start it, and wait for the first answer.

        Raises:
            CannotRun: It ended, or there was no right answer in five minutes.
        """
        self.peer = peer
        peer.folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.target = f"127.0.0.1:{port}"
        launch = peer.launch(peer.folder, port)
        self._log = peer.folder / "log"
        began = time.perf_counter()
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                launch.command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=peer.folder,
                env=os.environ | _ONE_THREAD | _QUIET | launch.variables,
                start_new_session=True,
            )
        try:
            self._first_answer(first, port, began + _START)
        except BaseException:
            self.end()
            raise
        self.cold = time.perf_counter() - began
        self.cold_cpu = self.cpu

    def _first_answer(self, first: Workload, port: int, until: float) -> None:
        while not _listens(port):
            self._still_waiting(until, "nothing listens on its port")
            time.sleep(0.002)
        request, check = first.one()
        with grpc.insecure_channel(self.target) as channel:
            infer = channel.unary_unary(METHOD)
            while True:
                try:
                    answer = infer(request, timeout=until - time.perf_counter())
                except grpc.RpcError as error:
                    self._still_waiting(until, f"{error.code().name}, {error.details()}")
                    time.sleep(0.005)
                else:
                    if not check(answer):
                        raise CannotRun("its first answer is wrong")
                    return

    def _still_waiting(self, until: float, why: str) -> None:
        if self.ended:
            raise CannotRun(self.ended)
        if time.perf_counter() > until:
            raise CannotRun(f"it gave no answer in {_START:g} s: {why}")

    @property
    def ended(self) -> str:
        """Why it has ended by itself: its status and the last that it said; nothing while it runs."""
        if self._process.poll() is None:
            return ""
        lines = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return f"it ended with status {self._process.returncode}: {lines[-1].strip() if lines else 'no word'}"

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far, of all its processes."""
        return cpu_seconds(self._process.pid)

    @property
    def resident(self) -> float:
        """Megabytes, of all its processes; none of one that has ended."""
        return 0.0 if self.ended else sum(map(resident, processes(self._process.pid)))

    def end(self) -> None:
        """End it, and whatever it started."""
        self._process.terminate()
        try:
            self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with contextlib.suppress(ProcessLookupError):  # its own group: it was started in a session of its own
            os.killpg(self._process.pid, signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def python_path() -> dict[str, str]:
    """Let a peer's own Python find what is inside here, and the protocol's messages."""
    return {"PYTHONPATH": os.pathsep.join((str(INSIDE), str(INSIDE.parents[3] / "service")))}


def free_port() -> int:
    """Find a port of loopback that nothing listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
