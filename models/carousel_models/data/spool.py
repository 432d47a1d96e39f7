"""Rows as they come, in a temporary file: what is read need not fit into memory."""

import tempfile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Spool:
    """Arrays [rows, ...] of one width and type, appended to each other on disk."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - the array that is mapped from it keeps it
        self._rows = 0
        self._width: tuple[int, ...] = ()
        self._dtype: DTypeLike = np.float32

    def append(self, rows: NDArray[Any]) -> None:
        """Append `rows`."""
        self._width, self._dtype = rows.shape[1:], rows.dtype
        self._rows += len(rows)
        self._file.write(np.ascontiguousarray(rows).tobytes())

    def mapped(self) -> NDArray[Any]:
        """Give all rows, mapped from the file: the system keeps in memory what is used, as long as there is room."""
        self._file.flush()
        return np.memmap(self._file, self._dtype, "r", shape=(self._rows, *self._width))
