"""Whether an engine keeps the promise of equal bits on this machine: no batch-mate, row or chunk boundary counts."""

import itertools

import numpy as np

from carousel.artifact import Signature
from carousel.batching import leave_out
from carousel.engines.contract import Engine
from carousel.tensors import Floats, Samples

_ROWS, _STEPS = 17, 7
_ZEROS = 0.1
_SMALL_VOCABULARY = 2
_CUTS = ((7,), (1, 6), (4, 3), (1,) * 7)


def check_invariance(engine: Engine, signature: Signature, state_width: int) -> bool:
    """Whether, on this machine, sequences that share a batch get bit for bit what each gets alone and whole.

    Where masked timesteps are left out, they get what they get with them.

    Every batch of 1 to 17 rows, in every row, over chunks of 1 to 7 steps; of a whole model, over sequences of one
    length. Matrix products take rows in blocks of up to 12 or 16, so larger batches meet no other arithmetic.

    Args:
        engine: What runs the model.
        signature: What the model takes.
        state_width: Floats of one row of state.
    """
    steps = _STEPS if engine.chunkable else signature.timesteps or signature.min_timesteps * _STEPS
    inputs = _draw(signature, steps)
    zeros = np.zeros((_ROWS, state_width), np.float32)
    alone = [engine.run(_rows(inputs, row, row + 1), zeros[:1]) for row in range(_ROWS)]
    outputs = np.concatenate([sequence for sequence, _ in alone], axis=1)
    states = np.concatenate([state for _, state in alone])
    if signature.mask_value is not None and not _may_leave_out(engine, inputs, signature.mask_value, outputs, states):
        return False
    for count, cuts in zip(range(1, _ROWS + 1), itertools.cycle(_CUTS if engine.chunkable else ((steps,),))):
        # Alternately the first and the last rows, so that rows change their places.
        first = 0 if count % 2 else _ROWS - count
        together, state = _in_chunks(engine, _rows(inputs, first, first + count), zeros[:count], cuts)
        if _bits(together) != _bits(_rows(outputs, first, first + count)):
            return False
        if _bits(state) != _bits(states[first : first + count]):
            return False
    return True


def _draw(signature: Signature, steps: int) -> Samples:
    rng = np.random.default_rng(0)
    shape = (steps, _ROWS, *signature.features)
    if signature.dtype.kind == "i":
        return rng.integers(0, signature.vocabulary or _SMALL_VOCABULARY, shape, signature.dtype)
    inputs = rng.standard_normal(shape).astype(np.float32)
    # Some timesteps are zeros, which is what most models that mask timesteps mask.
    inputs[rng.random(shape[:2]) < _ZEROS] = signature.mask_value or 0
    return inputs


def _may_leave_out(engine: Engine, inputs: Samples, mask_value: float, outputs: Floats, states: Floats) -> bool:
    """Whether each row gets the same answers without its masked timesteps."""
    for row in range(_ROWS):
        left, repeats = leave_out(inputs[:, row], mask_value)
        if repeats is not None:
            given, state = engine.run(left[:, np.newaxis], np.zeros_like(states[row : row + 1]))
            if _bits(given[repeats]) != _bits(_rows(outputs, row, row + 1)):
                return False
            if _bits(state) != _bits(states[row : row + 1]):
                return False
    return True


def _in_chunks(engine: Engine, inputs: Samples, state: Floats, cuts: tuple[int, ...]) -> tuple[Floats, Floats]:
    pieces, begin = [], 0
    for steps in cuts:
        outputs, state = engine.run(inputs[begin : begin + steps], state)
        pieces.append(outputs)
        begin += steps
    return np.concatenate(pieces), state


def _bits(answers: Floats) -> bytes:
    """All bits but those that tell one NaN from another: a model that grows without bound says no more by them."""
    return np.where(np.isnan(answers), np.float32("nan"), answers).tobytes()


def _rows(sequences: Samples, begin: int, end: int) -> Samples:
    return np.ascontiguousarray(sequences[:, begin:end])
