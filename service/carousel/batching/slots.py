"""Where the states of the running sequences of a lane are: one compact matrix, a row each."""

import numpy as np

from carousel.batching.sequence import Sequence
from carousel.tensors import Floats


class Slots:
    """The rows of state of the running sequences. Rows are compact: row i belongs to running[i].

    A state is a row, so to start, to be parked and to end are one copy of a few KB each. The matrix is replaced, never
    written in place: a batch that holds the last tick's keeps it.

    Attributes:
        running: The sequences that hold rows, in order.
        state: float32 [rows, width].
        away: A batch of these rows is with the engine: until it is back nobody starts, parks or leaves here.
    """

    __slots__ = ("_width", "away", "running", "state")

    def __init__(self, width: int) -> None:
        self._width = width
        self.running: list[Sequence] = []
        self.away = False
        self.state: Floats = np.empty((0, width), np.float32)

    def add(self, newcomers: list[Sequence]) -> None:
        """Give each newcomer a row: the state it brings, or zeros."""
        held = len(self.running)
        state = np.zeros((held + len(newcomers), self._width), np.float32)
        state[:held] = self.state
        for row, sequence in enumerate(newcomers, held):
            if sequence.state is not None:
                state[row] = sequence.state
                sequence.state = None
        self.running += newcomers
        self.state = state

    def park(self, row: int) -> None:
        """Hand a sequence its row, so that it can come back later or leave with it. `keep` then drops it."""
        self.running[row].state = self.state[row].copy()

    def keep(self, rows: list[int]) -> None:
        """Keep these rows alone, side by side."""
        self.running = [self.running[row] for row in rows]
        self.state = self.state[rows]
