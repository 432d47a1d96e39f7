"""Whether rows follow each other evenly in time, where each stands, and what its time says."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from carousel.tensors import Floats
from carousel_models.data.fields import written
from carousel_models.refusals import SourceRefused

LONGEST_STRETCH = 4
"""Gaps may make a series this many times as long; beyond, its step was not what most rows say."""

Where = Callable[[int], tuple[str, int]]
"""Gives the beginning of a message about the time of a row, and the row's number in its file."""

_PERIODS: dict[str, tuple[str, int]] = {
    "hour": ("hour", 24),
    "weekday": ("dayofweek", 7),
    "day_of_year": ("dayofyear", 366),
}


def even_positions(times: NDArray[np.datetime64], where: Where) -> tuple[NDArray[np.int64], NDArray[np.datetime64]]:
    """Place rows on an even line of time whose step is the commonest one between rows.

    Months, quarters and years count as even although they differ in days.

    Args:
        times: When each row was, datetime64[ns] [rows].
        where: Of a row, for messages.

    Returns:
        The position of each row, int64 [rows], and the time of each position, datetime64 [positions]. There are more
        positions than rows where there are gaps.

    Raises:
        SourceRefused: Rows are out of order or doubled, or the steps are uneven.
    """
    steps = np.diff(times)
    _refuse_disorder(times, steps, where)
    if len(times) < 3 or (steps == steps[0]).all() or pd.infer_freq(pd.DatetimeIndex(times)) is not None:
        return np.arange(len(times)), times
    step = pd.Series(steps).mode().to_numpy()[0]
    positions, rest = np.divmod(times - times[0], step)
    if rest.any():
        start, row = where(uneven := int(rest.astype(bool).argmax()))
        raise SourceRefused(
            f"{start}: {written(times[uneven])} in row {row} is not a whole number of steps of {pd.Timedelta(step)} "
            "after the first row. Resample the file to even steps, or leave time out of the recipe."
        )
    length = int(positions[-1]) + 1
    if length > LONGEST_STRETCH * len(times):
        raise SourceRefused(
            f"{where(0)[0]}: at steps of {pd.Timedelta(step)} only {len(times)} of {length} rows are there. "
            "Resample the file to even steps, or leave time out of the recipe."
        )
    return positions.astype(np.int64), times[0] + np.arange(length) * step


def waves_of(feature: str, times: NDArray[np.datetime64]) -> Floats:
    """Give `hour`, `weekday` or `day_of_year` of each time as sine and cosine, so that its end meets its beginning.

    Returns:
        float32 [rows, 2].
    """
    attribute, period = _PERIODS[feature]
    angle = 2 * np.pi * np.asarray(getattr(pd.DatetimeIndex(times), attribute), np.float64) / period
    return np.stack([np.sin(angle), np.cos(angle)], axis=1).astype(np.float32)


def _refuse_disorder(times: NDArray[np.datetime64], steps: NDArray[Any], where: Where) -> None:
    wrong = steps <= np.timedelta64(0)
    if wrong.any():
        index = int(wrong.argmax()) + 1
        start, row = where(index)
        what, remedy = (
            ("the same time as", "Keep one row a time; name the column of a series in group if there are several.")
            if steps[index - 1] == np.timedelta64(0)
            else ("earlier than", "Sort the file by it; name the column of a series in group if there are several.")
        )
        raise SourceRefused(f"{start}: {written(times[index])} in row {row} is {what} the row before it. {remedy}")
