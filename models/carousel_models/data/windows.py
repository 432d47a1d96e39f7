"""Windows of a table, cut when they are looked at: a file's worth of them takes no more memory than its rows."""

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from carousel.tensors import Floats

CHUNK = 65_536
"""Rows that are looked at at once."""


class Windows(Sequence[Floats]):
    """Equally long stretches of rows: float32 [timesteps, input_dim] each.

    Args:
        features: What a window holds of its own rows, float32 [rows, features].
        known: What it holds of the rows ahead of its own, float32 [rows, known].
        ahead: How far ahead; each of these offsets adds `known` once more.
        starts: The first row of each window, int64 [windows], ascending.
        timesteps: The rows of each.
    """

    def __init__(
        self, features: Floats, known: Floats, ahead: tuple[int, ...], starts: NDArray[np.int64], timesteps: int
    ) -> None:
        self._features, self._known = features, known
        self._ahead = ahead if known.shape[1] else ()
        self.starts = starts
        self.timesteps = timesteps

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> Floats: ...
    @overload
    def __getitem__(self, index: slice) -> "Windows": ...

    def __getitem__(self, index: int | slice) -> "Floats | Windows":
        """Cut one window, or choose some."""
        if isinstance(index, slice):
            return Windows(self._features, self._known, self._ahead, self.starts[index], self.timesteps)
        start = self.starts[index]
        return self._rows(slice(start, start + self.timesteps))

    def stacked(self, windows: NDArray[np.int64]) -> Floats:
        """Cut the windows of these numbers at once: float32 [windows, timesteps, input_dim]."""
        return self._rows(self.starts[windows][:, None] + np.arange(self.timesteps))

    def rows(self) -> Iterator[Floats]:
        """Give each row that some window holds once, as the windows hold it, in chunks: float32 [rows, input_dim]."""
        if not len(self.starts):
            return
        count = len(self._features)
        edges = np.zeros(count + 1, np.int32)
        np.add.at(edges, self.starts, 1)
        np.add.at(edges, self.starts + self.timesteps, -1)
        held = np.flatnonzero(np.cumsum(edges[:-1]) > 0)
        for first in range(0, len(held), CHUNK):
            yield self._rows(held[first : first + CHUNK])

    def _rows(self, rows: slice | NDArray[np.int64]) -> Floats:
        if not self._ahead:
            return np.ascontiguousarray(self._features[rows])
        shifted = (
            slice(rows.start + offset, rows.stop + offset) if isinstance(rows, slice) else rows + offset
            for offset in self._ahead
        )
        return np.concatenate([self._features[rows], *(self._known[at] for at in shifted)], axis=-1)


def gapless(values: Floats, starts: NDArray[np.int64], timesteps: int) -> NDArray[np.bool_]:
    """Say of each stretch of `timesteps` rows whether all its numbers are there: bool [starts]."""
    holes = np.concatenate([[0], np.cumsum(~np.isfinite(values).all(axis=1))])
    there: NDArray[np.bool_] = holes[starts + timesteps] == holes[starts]
    return there
