"""What a tick costs on this machine for this model: measured at load, never assumed."""

import math
import time
from collections.abc import Callable

import numpy as np

from carousel.engines import Engine

TICK = 0.003
"""Seconds a tick should take: short enough that a newcomer steps on soon, long enough that Python's part is small."""

_NEAR_BEST = 0.9  # of the best throughput at any row count: fewer rows at that price answer sooner
_USUAL_TICK = 8  # timesteps, among rides of all lengths: a tick ends with the shortest ride
_PYTHON_TICK, _PYTHON_ROW = 30e-6, 2e-6  # seconds of Python around a tick, and for each of its rows
_ROWS = (2, 4, 6, 8, 12, 16, 24, 32, 48, 64)
_PROBE_STEPS = 4
_SINGLE_STEPS = 16  # of the one row that tells a call from its timesteps
_REPEATS = 5
_LEAST = 0.02  # of a run at least goes into its timesteps: one that was disturbed may not say that they are free
_BUDGET = 0.6  # seconds; a wide model is profiled at fewer row counts, not for longer


class Costs:
    """cost(rows, steps) = call + steps * step(rows), in seconds.

    Attributes:
        rows: How many rows to ride, where most have more than a tick to go: where more stop paying.
        most_rows: How many to ride at most, whatever they have to go.
        call: Seconds of one engine call beyond its timesteps.
    """

    __slots__ = ("_seats", "_step", "_steps", "call", "most_rows", "rows")

    def __init__(self, call: float, step: dict[int, float]) -> None:
        """Take `step`, seconds of one timestep by row count: of one row and of some larger counts."""
        counts = sorted(step)
        every = np.arange(1, counts[-1] + 1)
        self.call = call
        # Between measured counts costs lie on the straight line.
        self._step: list[float] = np.interp(every, counts, [step[count] for count in counts]).tolist()
        self._steps = [max(1, int((TICK - call) / seconds)) for seconds in self._step]
        # The shorter the ticks, the more of their time is the call's and Python's, and the more rows pay as a rule.
        self._seats = [self._paying(counts, steps) for steps in range(1, _USUAL_TICK + 1)]
        self.most_rows, self.rows = max(self._seats), self._seats[-1]

    def seats(self, steps: int) -> int:
        """How many rows pay, where who steps on has `steps` timesteps to go."""
        return self._seats[min(steps, _USUAL_TICK) - 1]

    def _paying(self, counts: list[int], steps: int) -> int:
        throughput = {
            rows: rows / (_PYTHON_TICK + rows * _PYTHON_ROW + self.call + steps * self.step(rows)) for rows in counts
        }
        best = max(throughput.values())
        return next(rows for rows in counts if throughput[rows] >= _NEAR_BEST * best)

    def step(self, rows: int) -> float:
        """Seconds of one timestep of `rows` rows, as many as were measured at most."""
        return self._step[rows - 1]

    def tick(self, rows: int, steps: int) -> float:
        """Seconds of one tick."""
        return self.call + steps * self._step[rows - 1]

    def steps(self, rows: int) -> int:
        """Timesteps of a tick of `rows` rows that lasts about TICK seconds; at least one."""
        return self._steps[rows - 1]

    def work(self, steps: int) -> float:
        """Seconds of the machine that `steps` timesteps of one sequence take in good company."""
        return steps * (self.step(self.rows) / self.rows + self.call / (self.rows * self.steps(self.rows)))

    def ride(self, steps: int, rows: int) -> float:
        """Seconds from stepping on to stepping off for `steps` timesteps in the company of `rows` rows altogether."""
        rows = min(rows, self.rows)
        return math.ceil(steps / self.steps(rows)) * self.call + steps * self.step(rows)


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
        inputs, state = _zeros(steps, rows, input_dim, state_width)
        best = math.inf
        for _ in range(_REPEATS):
            began = clock()
            engine.run(inputs, state)
            best = min(best, clock() - began)
        return best

    started = clock()
    engine.run(*_zeros(timesteps or 1, 1, input_dim, state_width))
    long, single = timesteps or _PROBE_STEPS, timesteps or _SINGLE_STEPS
    alone = seconds(1, single)
    call = 0.0 if timesteps else max(0.0, (single * seconds(1, 1) - alone) / (single - 1))

    def each(run: float, steps: int) -> float:
        return max(1e-9, _LEAST * run / steps, (run - call) / steps)

    step = {1: each(alone, single)}
    for rows in _ROWS:
        if clock() - started > _BUDGET:
            break
        step[rows] = each(seconds(rows, long), long)
    return Costs(call, step)


def _zeros(steps: int, rows: int, input_dim: int, state_width: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((steps, rows, input_dim), np.float32), np.zeros((rows, state_width), np.float32)
