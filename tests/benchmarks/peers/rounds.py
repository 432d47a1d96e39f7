"""One run: every peer started a few times, then all asked in turns, round after round."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from tests.benchmarks.machine import machine
from tests.benchmarks.peers.asking import Outcome
from tests.benchmarks.peers.environment import CannotRun
from tests.benchmarks.peers.generator import Generator
from tests.benchmarks.peers.peer import Peer, Running
from tests.benchmarks.peers.shapes import SHAPES
from tests.benchmarks.peers.workloads import models, workload
from tests.benchmarks.report import say


@dataclass(slots=True)
class Measured:
    """What one peer gave of one measurement: a number a round, and sums of what went wrong.

    Attributes:
        rate: Right answers a second.
        cpu: Seconds of the server's processor time a call.
        p50, p99, short_p99: Seconds; the last of short sequences, of workload C alone.
        generator_cpu: Seconds of the generator's processor time a call.
        calls, wrong, failed: Over all rounds.
    """

    rate: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    short_p99: list[float] = field(default_factory=list)
    generator_cpu: list[float] = field(default_factory=list)
    calls: int = 0
    wrong: int = 0
    failed: dict[str, int] = field(default_factory=dict)

    def add(self, outcome: Outcome, cpu: float) -> None:
        """Add a round, in which the server took so many seconds of processor time."""
        self.calls += outcome.calls
        self.wrong += outcome.wrong
        for code, count in outcome.failed.items():
            self.failed[code] = self.failed.get(code, 0) + count
        self.rate.append(outcome.rate)
        if outcome.latencies:
            self.cpu.append(cpu / outcome.calls)
            self.generator_cpu.append(outcome.cpu / outcome.calls)
            self.p50.append(float(np.percentile(outcome.latencies, 50)))
            self.p99.append(float(np.percentile(outcome.latencies, 99)))
        if outcome.short:
            self.short_p99.append(float(np.percentile(outcome.short, 99)))


def measure(peers: Sequence[Peer], starts: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Measure all that can run; return all figures, and why the others cannot.

    Each is started `starts` times, in turns, after a time that is not counted: it shows whether a peer runs at all, and
    brings its files into memory. The last time they all stay, for the rounds.
    """
    began = datetime.now(UTC)
    models()
    able, missing = list(peers), dict[str, str]()
    cold: dict[str, list[tuple[float, float]]] = {peer.name: [] for peer in peers}
    with ExitStack() as ends:
        servers = []
        for start in range(starts + 1):
            for peer in tuple(able):
                try:
                    if not start:
                        peer.install()
                    running = Running(peer, workload("A"))
                except CannotRun as why:
                    able.remove(peer)
                    missing[peer.name] = str(why)
                    say("peers", f"{peer.name} is left out: {why}")
                    continue
                say("peers", f"{peer.name}: first answer after {running.cold:.2f} s, CPU {running.cold_cpu:.2f} s")
                if start:
                    cold[peer.name].append((running.cold, running.cold_cpu))
                if start == starts:
                    servers.append(ends.enter_context(running))
                else:
                    running.end()
        measured, load = _rounds(servers, rounds, seconds)
        resident = {server.peer.name: server.resident for server in servers}
        missing |= {server.peer.name: f"during the rounds, {server.ended}" for server in servers if server.ended}
    return {
        "machine": machine(),
        "began": began.isoformat(timespec="seconds"),
        "minutes": (datetime.now(UTC) - began).total_seconds() / 60,
        "rounds": rounds,
        "seconds": seconds,
        "load": load,
        "niceness": os.nice(0),
        "peers": {
            peer.name: {
                "settings": peer.settings,
                "cold_seconds": [wall for wall, _ in cold[peer.name]],
                "cold_cpu_seconds": [cpu for _, cpu in cold[peer.name]],
                "resident_megabytes": resident[peer.name],
                "pinned": peer.environment.packages if peer.environment else (),
                "packages": peer.environment.frozen() if peer.environment else None,
                "installed_megabytes": peer.environment.installed_megabytes() if peer.environment else None,
                "measured": {name: asdict(each) for name, each in measured[peer.name].items()},
            }
            for peer in able
        },
        "missing": missing,
    }


def _rounds(servers: list[Running], rounds: int, seconds: float) -> tuple[dict[str, dict[str, Measured]], list[float]]:
    """Ask all in turns, a short time each, after a round that is not counted.

    Also gives the machine's load average after each round: more than one or two is other people's work.
    """
    measured = {
        server.peer.name: {shape.key: Measured() for shape in SHAPES if server.peer.takes(shape)} for server in servers
    }
    load = []
    with Generator() as generator:
        for round_ in range(rounds + 1):
            for shape in SHAPES:
                for server in servers:
                    if not server.peer.takes(shape) or server.ended:
                        continue
                    own = measured[server.peer.name]
                    rate = 0.0
                    if shape.share:
                        reached = own[shape.full.key].rate[-1:]
                        if reached in ([], [0.0]):
                            continue  # the round that is not counted, or a server that answers nothing rightly
                        rate = shape.share * reached[0]
                    before = server.cpu
                    asked = (shape.workload, shape.connections, shape.streams, seconds if round_ else seconds / 2, rate)
                    outcome = generator.ask(server.target, *asked)
                    if round_:
                        own[shape.key].add(outcome, server.cpu - before)
            if round_:
                load.append(os.getloadavg()[0])
            say("peers", f"round {round_} of {rounds}" if round_ else "warm")
    return measured, load
