"""What a tick costs on this machine for this model: measured at load, never assumed."""

import math
import time
from bisect import bisect_left
from collections.abc import Callable

import numpy as np

from carousel.engines import Engine

TICK = 0.002
"""Seconds a tick should take: short enough that a newcomer steps on soon, long enough that Python's part is small."""

_WORTH_IT = 1.06  # twice the rows must buy at least this much more throughput
_MOST_ROWS = 64
_PROBE_STEPS = 4
_REPEATS = 3
_BUDGET = 0.6  # seconds; a wide model is profiled at fewer row counts, not for longer


class Costs:
    """cost(rows, steps) = call + steps * step(rows), in seconds.

    Attributes:
        rows: How many rows to ride at most: where more stop paying.
        call: Seconds of one engine call beyond its timesteps.
    """

    __slots__ = ("_grid", "_step", "call", "rows")

    def __init__(self, call: float, step: dict[int, float]) -> None:
        """Take `step`, seconds of one timestep by row count, at one row and some larger counts."""
        self.call = call
        self._grid = sorted(step)
        self._step = [step[rows] for rows in self._grid]
        self.rows = self._grid[0]
        for rows in self._grid[1:]:
            if (rows / step[rows]) < _WORTH_IT * (self.rows / step[self.rows]):
                break
            self.rows = rows

    def step(self, rows: int) -> float:
        """Seconds of one timestep of `rows` rows; between measured counts on the straight line."""
        at = bisect_left(self._grid, rows)
        if at < len(self._grid) and self._grid[at] == rows:
            return self._step[at]
        if at == len(self._grid):
            return self._step[-1] * rows / self._grid[-1]
        low, high = self._grid[at - 1], self._grid[at]
        share = (rows - low) / (high - low)
        return self._step[at - 1] * (1 - share) + self._step[at] * share

    def tick(self, rows: int, steps: int) -> float:
        """Seconds of one tick."""
        return self.call + steps * self.step(rows)

    def steps(self, rows: int) -> int:
        """Timesteps of a tick that lasts about TICK seconds; at least one."""
        return max(1, int((TICK - self.call) / self.step(rows)))

    def work(self, steps: int) -> float:
        """Seconds of the machine that `steps` timesteps of one sequence take in good company."""
        return steps * (self.step(self.rows) / self.rows + self.call / (self.rows * self.steps(self.rows)))

    def ride(self, steps: int) -> float:
        """Seconds from stepping on to stepping off for `steps` timesteps on a full carousel."""
        return math.ceil(steps / self.steps(self.rows)) * self.call + steps * self.step(self.rows)


def profile(
    engine: Engine, input_dim: int, state_width: int, timesteps: int | None, clock: Callable[[], float] = time.monotonic
) -> Costs:
    """Measure `engine` on this machine, for half a second or so.

    Args:
        engine: Runs inputs [steps, rows, input_dim] with states [rows, state_width].
        input_dim: Features of a timestep.
        state_width: Floats of a row of state.
        timesteps: The one length the model takes, where it takes no other.
        clock: Seconds that never run backwards.
    """

    def seconds(rows: int, steps: int) -> float:
        inputs, state = np.zeros((steps, rows, input_dim), np.float32), np.zeros((rows, state_width), np.float32)
        best = math.inf
        for _ in range(_REPEATS):
            began = clock()
            engine.run(inputs, state)
            best = min(best, clock() - began)
        return best

    started = clock()
    engine.run(*_zeros(timesteps or 1, 1, input_dim, state_width))
    long = timesteps or _PROBE_STEPS
    single = seconds(1, long)
    short = single if timesteps else seconds(1, 1)
    call = 0.0 if timesteps else max(0.0, (long * short - single) / (long - 1))
    step = {1: max(1e-9, (single - call) / long)}
    rows = 2
    while rows <= _MOST_ROWS and clock() - started < _BUDGET:
        step[rows] = max(1e-9, (seconds(rows, long) - call) / long)
        rows *= 2
    return Costs(call, step)


def _zeros(steps: int, rows: int, input_dim: int, state_width: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((steps, rows, input_dim), np.float32), np.zeros((rows, state_width), np.float32)
