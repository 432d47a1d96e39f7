"""Where the state of the riding sequences lives: one compact matrix, a row each."""

import numpy as np

from carousel.batching.sequence import Sequence
from carousel.tensors import Floats


class Slots:
    """The rows of state of the sequences on board. Rows are compact: row i belongs to riders[i].

    State is a row, so stepping on, parking and stepping off are one copy of a few KB. The matrix is replaced, never
    written in place: whoever holds last tick's keeps it.
    """

    __slots__ = ("_width", "riders", "state")

    def __init__(self, width: int) -> None:
        self._width = width
        self.riders: list[Sequence] = []
        self.state: Floats = np.empty((0, width), np.float32)

    def board(self, newcomers: list[Sequence]) -> None:
        """Give each newcomer a row: the state it brings, or zeros."""
        held = len(self.riders)
        state = np.zeros((held + len(newcomers), self._width), np.float32)
        state[:held] = self.state
        for row, sequence in enumerate(newcomers, held):
            if sequence.state is not None:
                state[row] = sequence.state
                sequence.state = None
        self.riders += newcomers
        self.state = state

    def park(self, row: int) -> None:
        """Hand a rider its row, so that it can come back later or leave with it. `keep` then drops it."""
        self.riders[row].state = self.state[row].copy()

    def keep(self, rows: list[int]) -> None:
        """Close up to the riders that stay."""
        self.riders = [self.riders[row] for row in rows]
        self.state = self.state[rows]
