"""Whether an engine gives a version's golden answers."""

import numpy as np

from carousel.artifact import TOLERANCE, Golden, disagreement
from carousel.engines.contract import Engine


def reproduces(engine: Engine, answers: tuple[Golden, ...], state_width: int, tolerance: float = TOLERANCE) -> str:
    """Say how `engine` fails to give the golden answers; "" where it gives them all.

    Args:
        engine: Runs one sequence at a time from a state of zeros.
        answers: Sequences and what Keras answered to them.
        state_width: Floats of a row of state.
        tolerance: See `disagreement`.
    """
    for golden in answers:
        outputs, _ = engine.run(golden.inputs[:, None], np.zeros((1, state_width), np.float32))
        fault = disagreement(outputs[-1, 0], golden.last_step, tolerance)
        if not fault and golden.sequence is not None:
            fault = disagreement(outputs[:, 0], golden.sequence, tolerance)
        if fault:
            return f"of {len(golden.inputs)} timesteps, {fault}"
    return ""
