"""What a tick costs on this machine for this model: measured at load, never assumed."""

import math
import time
from collections.abc import Callable

import numpy as np

from carousel.artifact import Signature
from carousel.batching import Costs
from carousel.engines.contract import Engine
from carousel.tensors import Floats, Samples

_ROWS = (2, 4, 6, 8, 12, 16, 24, 32, 48, 64)
_PROBE_STEPS = 4
_SINGLE_STEPS = 16  # of the one row that tells a call from its timesteps
_REPEATS = 5
_LEAST = 0.02  # of a run at least goes into its timesteps: one that was disturbed may not say that they are free
_BUDGET = 0.6  # seconds; a wide model is profiled at fewer row counts, not for longer


def profile(
    engine: Engine, signature: Signature, state_width: int, clock: Callable[[], float] = time.monotonic
) -> Costs:
    """Measure `engine` on this machine, for half a second or so.

    Args:
        engine: Runs inputs [steps, rows, ...] with states [rows, state_width].
        signature: What the model takes; a whole one is measured at lengths that it can answer.
        state_width: Floats of a row of state.
        clock: Seconds that never run backwards.
    """

    def seconds(rows: int, steps: int) -> float:
        inputs, state = _zeros(signature, steps, rows, state_width)
        best = math.inf
        for _ in range(_REPEATS):
            began = clock()
            engine.run(inputs, state)
            best = min(best, clock() - began)
        return best

    started = clock()
    timesteps, least = (None, 1) if state_width else (signature.timesteps, signature.min_timesteps)
    engine.run(*_zeros(signature, timesteps or least, 1, state_width))
    # Multiples of the least: a model that halves its timesteps takes even numbers of them.
    long, single = timesteps or least * _PROBE_STEPS, timesteps or least * _SINGLE_STEPS
    alone = seconds(1, single)
    call = 0.0 if timesteps else max(0.0, (single * seconds(1, least) - least * alone) / (single - least))

    def each(run: float, steps: int) -> float:
        return max(1e-9, _LEAST * run / steps, (run - call) / steps)

    step_seconds = {1: each(alone, single)}
    for rows in _ROWS:
        if clock() - started > _BUDGET:
            break
        step_seconds[rows] = each(seconds(rows, long), long)
    return Costs(call, step_seconds)


def _zeros(signature: Signature, steps: int, rows: int, state_width: int) -> tuple[Samples, Floats]:
    inputs = np.zeros((steps, rows, *signature.features), signature.dtype)
    return inputs, np.zeros((rows, state_width), np.float32)
