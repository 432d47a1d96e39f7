"""What tests stand on: an engine whose every number is known, and costs that are flat."""

import numpy as np

from carousel.batching import TICK, Costs
from carousel.tensors import Floats


class FakeEngine:
    """A running sum: each output is the sum of all inputs so far, exact in float32 for small whole numbers.

    Any fault in slots, chunks or order changes an exact number.

    Attributes:
        runs: (steps, rows) of every run.
    """

    name = "fake"
    batch_invariant = True
    chunkable = True

    def __init__(self, input_dim: int = 1) -> None:
        self.input_dim = input_dim
        self.runs: list[tuple[int, int]] = []

    def run(self, inputs: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Add up: inputs [steps, rows, input_dim], state [rows, input_dim]."""
        self.runs.append(inputs.shape[:2])
        outputs = state + np.cumsum(inputs, axis=0, dtype=np.float32)
        return outputs, outputs[-1].copy()


def flat_costs(rows: int = 4, steps: int = 8) -> Costs:
    """Say that `rows` may run at most, `steps` a tick, and that every tick of them takes the same."""
    step = TICK / (steps + 0.5)
    return Costs(0.0, dict.fromkeys((1, rows), step))
