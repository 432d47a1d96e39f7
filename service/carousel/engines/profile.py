"""What a tick costs on this machine for this model: measured at load, never assumed."""

import math
import time
from collections.abc import Callable

import numpy as np

from carousel.batching import Costs
from carousel.engines.contract import Engine
from carousel.tensors import Floats

_ROWS = (2, 4, 6, 8, 12, 16, 24, 32, 48, 64)
_PROBE_STEPS = 4
_SINGLE_STEPS = 16  # of the one row that tells a call from its timesteps
_REPEATS = 5
_LEAST = 0.02  # of a run at least goes into its timesteps: one that was disturbed may not say that they are free
_BUDGET = 0.6  # seconds; a wide model is profiled at fewer row counts, not for longer


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

    step_seconds = {1: each(alone, single)}
    for rows in _ROWS:
        if clock() - started > _BUDGET:
            break
        step_seconds[rows] = each(seconds(rows, long), long)
    return Costs(call, step_seconds)


def _zeros(steps: int, rows: int, input_dim: int, state_width: int) -> tuple[Floats, Floats]:
    return np.zeros((steps, rows, input_dim), np.float32), np.zeros((rows, state_width), np.float32)
