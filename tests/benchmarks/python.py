"""What turning costs in Python, beyond the engine's own time: a line over ticks, and a profile."""

import cProfile
import io
import math
import pstats
import time
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from carousel import transport
from carousel.batching import TICK, Admission, Costs, Sequence
from carousel.loop import Loop
from carousel.serving import Model, Version, load_version
from carousel.tensors import Floats
from tests.benchmarks import report
from tests.benchmarks.measure import Spread
from tests.benchmarks.workloads import lognormal, version

ROWS = (1, 2, 4, 8, 16, 32, 64)
_ROUNDS = 5
_MOST = 2000  # sequences a round


class Weightless:
    """An engine that takes no time to speak of, and counts the time it takes all the same."""

    name = "onnx"

    def __init__(self, units: int) -> None:
        self._outputs = np.zeros((512, 64, units), np.float32)
        self.seconds = 0.0

    def run(self, inputs: Floats, state: Floats) -> tuple[Floats, Floats]:
        began = time.perf_counter()
        steps, rows = inputs.shape[:2]
        answer = self._outputs[:steps, :rows], state
        self.seconds += time.perf_counter() - began
        return answer


class Turns:
    """A loop on a real listening transport with nobody connected, and one model on it."""

    def __init__(self, version: Version, rows: int) -> None:
        step = TICK / 32.5
        costs = Costs(0.0, {1: step, rows: step, 2 * rows: 2 * step} if rows > 1 else {1: step, 2: 2 * step})
        self.engine = Weightless(version.signature.units)
        self.transport = transport.Server({})
        self.transport.listen("127.0.0.1", 0)
        self.transport.start()
        whole = Version(
            version.name,
            version.number,
            version.signature,
            version.states,
            version.fingerprint,
            self.engine,
            costs,
            version.not_preferred_because,
            version.batch_invariant,
        )
        self.loop = Loop(self.transport)
        self.model = Model(whole, Admission(math.inf), self.loop.post, begin=self.loop.begin)

    def all(self, sequences: list[Floats]) -> tuple[float, int, int]:
        """Submit, then turn until the last stepped off: seconds beyond the engine, ticks, rows of all ticks."""
        self.model.submit([Sequence(steps, _done) for steps in sequences])
        self.engine.seconds, ticks, rows = 0.0, sum(self.model.counters.rows.counts), self.model.counters.rows.total
        began = time.process_time()
        while self.model.busy:
            self.loop.round()
        spent = time.process_time() - began - self.engine.seconds
        return spent, sum(self.model.counters.rows.counts) - ticks, int(self.model.counters.rows.total - rows)


def main() -> None:
    stack = load_version(version("stack64", 64), "onnx")
    sequences = lognormal(_MOST)
    long = [np.resize(steps, (3000, steps.shape[1])) for steps in sequences[:64]]
    sets = {rows: Turns(stack, rows) for rows in ROWS}
    points: dict[str, list[tuple[float, float, float]]] = {"mixed lengths": [], "long rides": []}
    for round_ in range(1, _ROUNDS + 1):
        for rows, turns in sets.items():
            for what, riding in (("mixed lengths", sequences[: 30 * rows]), ("long rides", long[:rows])):
                spent, ticks, seats = turns.all(riding)
                points[what].append((rows, seats / ticks, spent / ticks))
        report.say("python", f"round {round_} of {_ROUNDS}")
    lines = {what: _line(found) for what, found in points.items()}
    rows_ = []
    for what, (tick, row) in lines.items():
        came = f"{1e6 * tick:.1f} us a tick + {1e6 * row:.2f} us a row"
        within = all(tick + row * rows <= 40e-6 + 2e-6 * rows for rows in ROWS)
        rows_.append(
            report.Row(f"{what}: beyond the engine", came, f"<= 40 us + 2 us a row, to {ROWS[-1]} rows", within)
        )
    profile = _profile(sets[16], sequences[:480] * 4)
    (report.FOLDER / "python.profile.txt").write_text(profile)
    report.say("python", "profile at 16 rows, mixed lengths:\n" + profile)
    figures: dict[str, Any] = {
        "lines_seconds": lines,
        "points": points,
        "profile": profile.splitlines(),
    }
    report.write("python", rows_, figures, lambda figure: _draw(figure, points, lines))
    for turns in sets.values():
        turns.transport.close()


def _line(points: list[tuple[float, float, float]]) -> tuple[float, float]:
    """Fit seconds = tick + row * rows to the medians at each row count."""
    medians = []
    for count in ROWS:
        here = [(rows, seconds) for at, rows, seconds in points if at == count]
        medians.append((here[0][0], Spread.of(seconds for _, seconds in here).median))
    rows, seconds = np.transpose(medians)
    row, tick = np.polyfit(rows, seconds, 1)
    return float(tick), float(row)


def _profile(turns: Turns, sequences: list[Floats]) -> str:
    profiler = cProfile.Profile()
    profiler.enable()
    turns.all(sequences)
    profiler.disable()
    text = io.StringIO()
    pstats.Stats(profiler, stream=text).strip_dirs().sort_stats("tottime").print_stats(22)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines() if line.strip())


def _done(_sequence: Sequence) -> None:
    pass


def _draw(
    figure: Figure, points: dict[str, list[tuple[float, float, float]]], lines: dict[str, tuple[float, float]]
) -> None:
    axes = figure.subplots()
    for what, colour in (("mixed lengths", "#d1495b"), ("long rides", "#2e7d6b")):
        _, rows, seconds = np.transpose(points[what])
        tick, row = lines[what]
        axes.scatter(rows, 1e6 * seconds, s=12, color=colour, label=what)
        axes.plot((0, 64), (1e6 * tick, 1e6 * (tick + 64 * row)), color=colour, linewidth=1)
    axes.plot((0, 64), (40, 40 + 2 * 64), color="#20262e", linestyle="--", linewidth=1, label="40 us + 2 us a row")
    axes.set(
        title="Python beyond the engine",
        xlabel="rows of a tick, on average",
        ylabel="microseconds a tick",
        ylim=(0, None),
    )
    axes.legend(frameon=False)
