"""What a tick costs, by its rows and timesteps: the cost model that the scheduler and admission stand on."""

import math

import numpy as np

TICK = 0.003
"""Seconds a tick should take: short enough that a newcomer starts soon, long enough that Python's part is small."""

_NEAR_BEST = 0.9  # of the best throughput at any row count: fewer rows at that price answer sooner
_USUAL_TICK = 8  # timesteps, where sequences of all lengths run: a tick ends with the shortest remainder
_PYTHON_TICK, _PYTHON_ROW = 30e-6, 2e-6  # seconds of Python around a tick, and for each of its rows


class Costs:
    """tick_seconds(rows, steps) = call_seconds + steps * step_seconds(rows).

    Attributes:
        rows: How many rows to run where most have more than a tick to go: where more stop paying.
        max_rows: How many to run at most, whatever they have to go.
        call_seconds: Seconds of one engine call beyond its timesteps.
    """

    __slots__ = ("_rows_for", "_step_seconds", "_tick_steps", "_work_seconds", "call_seconds", "max_rows", "rows")

    def __init__(self, call_seconds: float, step_seconds: dict[int, float]) -> None:
        """Take `step_seconds`, seconds of one timestep by row count: of one row and of some larger counts."""
        counts = sorted(step_seconds)
        every = np.arange(1, counts[-1] + 1)
        self.call_seconds = call_seconds
        # Between measured counts costs lie on the straight line.
        self._step_seconds: list[float] = np.interp(every, counts, [step_seconds[count] for count in counts]).tolist()
        self._tick_steps = [max(1, int((TICK - call_seconds) / seconds)) for seconds in self._step_seconds]
        # The shorter the ticks, the more of their time is the call's and Python's, and the more rows pay as a rule.
        self._rows_for = [self._paying(counts, steps) for steps in range(1, _USUAL_TICK + 1)]
        self.max_rows, self.rows = max(self._rows_for), self._rows_for[-1]
        call = call_seconds / (self.rows * self.tick_steps(self.rows))
        self._work_seconds = self.step_seconds(self.rows) / self.rows + call

    def rows_for(self, timesteps: int) -> int:
        """How many rows pay, where the newcomer has `timesteps` to go."""
        return self._rows_for[min(timesteps, _USUAL_TICK) - 1]

    def step_seconds(self, rows: int) -> float:
        """Seconds of one timestep of `rows` rows, at most `max_rows`."""
        return self._step_seconds[rows - 1]

    def tick_seconds(self, rows: int, steps: int) -> float:
        """Seconds of one tick of `steps` timesteps of `rows` rows."""
        return self.call_seconds + steps * self._step_seconds[rows - 1]

    def tick_steps(self, rows: int) -> int:
        """Timesteps of a tick of `rows` rows that lasts about TICK seconds; at least one."""
        return self._tick_steps[rows - 1]

    def work_seconds(self, timesteps: int) -> float:
        """Seconds of the machine that `timesteps` of one sequence take in a batch of `rows`."""
        return timesteps * self._work_seconds

    def run_seconds(self, rows: int, timesteps: int) -> float:
        """Seconds from start to end of a sequence of `timesteps` that shares its batch with others, `rows` in all."""
        rows = min(rows, self.rows)
        return math.ceil(timesteps / self.tick_steps(rows)) * self.call_seconds + timesteps * self.step_seconds(rows)

    def _paying(self, counts: list[int], steps: int) -> int:
        throughput = {
            rows: rows / (_PYTHON_TICK + rows * _PYTHON_ROW + self.tick_seconds(rows, steps)) for rows in counts
        }
        best = max(throughput.values())
        return next(rows for rows in counts if throughput[rows] >= _NEAR_BEST * best)
