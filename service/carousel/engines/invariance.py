"""Whether an engine keeps the promise of equal bits on this machine: no batch-mate, row or chunk boundary counts."""

import itertools

import numpy as np

from carousel.engines.contract import Engine
from carousel.tensors import Floats

_ROWS, _STEPS = 17, 7
_CUTS = ((7,), (1, 6), (4, 3), (1,) * 7)


def check_invariance(engine: Engine, input_dim: int, state_width: int) -> bool:
    """Whether, on this machine, sequences that share a batch get bit for bit what each gets alone and whole.

    Every batch of 1 to 17 rows, in every row, over chunks of 1 to 7 steps. Matrix products take rows in blocks of up to
    12 or 16, so larger batches meet no other arithmetic.

    Args:
        engine: A chunkable one.
        input_dim: Features of a timestep.
        state_width: Floats of one row of state.
    """
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((_STEPS, _ROWS, input_dim)).astype(np.float32)
    zeros = np.zeros((_ROWS, state_width), np.float32)
    alone = [engine.run(_rows(inputs, row, row + 1), zeros[:1]) for row in range(_ROWS)]
    outputs = np.concatenate([sequence for sequence, _ in alone], axis=1)
    states = np.concatenate([state for _, state in alone])
    for count, cuts in zip(range(1, _ROWS + 1), itertools.cycle(_CUTS)):
        # Alternately the first and the last rows, so that rows change their places.
        first = 0 if count % 2 else _ROWS - count
        together, state = _in_chunks(engine, _rows(inputs, first, first + count), zeros[:count], cuts)
        if together.tobytes() != _rows(outputs, first, first + count).tobytes():
            return False
        if state.tobytes() != states[first : first + count].tobytes():
            return False
    return True


def _in_chunks(engine: Engine, inputs: Floats, state: Floats, cuts: tuple[int, ...]) -> tuple[Floats, Floats]:
    pieces, begin = [], 0
    for steps in cuts:
        outputs, state = engine.run(inputs[begin : begin + steps], state)
        pieces.append(outputs)
        begin += steps
    return np.concatenate(pieces), state


def _rows(sequences: Floats, begin: int, end: int) -> Floats:
    return np.ascontiguousarray(sequences[:, begin:end])
