"""Whether rows follow each other evenly in time, and where each stands."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from carousel_models.refusals import SourceRefused

LONGEST_STRETCH = 4
"""Gaps may make a file this many times as long; beyond, its step was not what most rows say."""


def even_positions(path: Path, column: "pd.Series[Any]") -> tuple[NDArray[np.int64], NDArray[np.datetime64]]:
    """Place rows on an even line of time whose step is the commonest one between rows.

    Months, quarters and years count as even although they differ in days.

    Args:
        path: The file, for messages.
        column: The time column as read: anything pandas reads as dates, one in each row.

    Returns:
        The position of each row, int64 [rows], and the time of each position, datetime64 [positions]. There are more
        positions than rows where the file has gaps.

    Raises:
        SourceRefused: A cell is not a time, rows are out of order or doubled, or the steps are uneven.
    """
    times = _times(path, column)
    steps = np.diff(times)
    _refuse_disorder(path, column, steps)
    if len(times) < 3 or (steps == steps[0]).all() or pd.infer_freq(pd.DatetimeIndex(times)) is not None:
        return np.arange(len(times)), times
    step = pd.Series(steps).mode().to_numpy()[0]
    positions, rest = np.divmod(times - times[0], step)
    if rest.any():
        row = int(rest.astype(bool).argmax())
        raise SourceRefused(
            f"{path}: column {column.name!r}: {column.iloc[row]} in row {row + 1} is not a whole number of steps of "
            f"{pd.Timedelta(step)} after the first row. "
            "Resample the file to even steps, or leave time out of the recipe."
        )
    length = int(positions[-1]) + 1
    if length > LONGEST_STRETCH * len(times):
        raise SourceRefused(
            f"{path}: column {column.name!r}: at steps of {pd.Timedelta(step)} only {len(times)} of {length} rows are "
            "there. Resample the file to even steps, or leave time out of the recipe."
        )
    return positions.astype(np.int64), times[0] + np.arange(length) * step


def _times(path: Path, column: "pd.Series[Any]") -> NDArray[np.datetime64]:
    times = pd.to_datetime(column, errors="coerce", format="mixed" if column.dtype.kind in "OTU" else None)
    wrong = times.isna().to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise SourceRefused(
            f"{path}: column {column.name!r} holds {column.iloc[row]!r} in row {row + 1}, which is not a time. "
            "Write times like 2012-01-31 or 2012-01-31 14:00, or leave time out of the recipe."
        )
    return times.to_numpy("datetime64[ns]")


def _refuse_disorder(path: Path, column: "pd.Series[Any]", steps: NDArray[np.timedelta64]) -> None:
    wrong = steps <= np.timedelta64(0)
    if wrong.any():
        row = int(wrong.argmax()) + 1
        what, remedy = (
            ("the same time as", "Keep one row a time.")
            if steps[row - 1] == np.timedelta64(0)
            else ("earlier than", f"Sort the file by {column.name!r}.")
        )
        raise SourceRefused(
            f"{path}: column {column.name!r}: {column.iloc[row]} in row {row + 1} is {what} the row before it. {remedy}"
        )
