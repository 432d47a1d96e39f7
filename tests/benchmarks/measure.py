"""Times taken in turns, and what can be said of them: a median and its spread."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.report import say


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds on the wall, and of this process' own processor time."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of what several rounds gave, and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        low, median, high = np.percentile(list(values), (25, 50, 75))
        return cls(float(median), float(low), float(high))

    def say(self, unit: str = "", scale: float = 1.0) -> str:
        """Write it for people, in `unit`s of which there are `scale` in one."""
        middle, low, high = (f"{scale * value:.3g}" for value in (self.median, self.low, self.high))
        return f"{middle}{unit} ({low} to {high})"


def timed(function: Callable[[], object]) -> Timing:
    """Time a call here, unless it took its time elsewhere and says how much."""
    wall, cpu = time.perf_counter(), time.process_time()
    elsewhere = function()
    if isinstance(elsewhere, Timing):
        return elsewhere
    return Timing(time.perf_counter() - wall, time.process_time() - cpu)


def interleaved(name: str, ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[Timing]]:
    """Time every way once a round, after one round that nobody counts."""
    for function in ways.values():
        function()
    timings: dict[str, list[Timing]] = {way: [] for way in ways}
    for round_ in range(1, rounds + 1):
        for way, function in ways.items():
            timings[way].append(timed(function))
        say(name, f"round {round_} of {rounds}")
    return timings


def ratios(above: Iterable[float], below: Iterable[float]) -> Spread:
    """Divide round by round: what disturbed a round disturbed both."""
    return Spread.of(a / b for a, b in zip(above, below, strict=True))
