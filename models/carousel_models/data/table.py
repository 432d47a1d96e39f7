"""Raw files as a table of numbers: series of evenly spaced rows, missing values by a named policy."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from carousel.tensors import Floats
from carousel_models.data.fields import names_of, numbers_of, one_hot, times_of, written
from carousel_models.data.files import Chunk, chunks_of, paths_of
from carousel_models.data.spool import Spool
from carousel_models.data.timeline import even_positions, waves_of
from carousel_models.recipe import TableSource
from carousel_models.refusals import SourceRefused

Missing = Literal["interpolate", "forward-fill", "drop", "refuse"]
"""What becomes of a missing value.

- `interpolate`: the straight line between its neighbours in time.
- `forward-fill`: the last value before it.
- `drop`: no window holds a row with a missing value.
- `refuse`: the file is refused.

Whatever the policy, a window whose target was not measured is left out, so no figure is made of filled values.
"""

NAMELESS = "say whose row it is, or leave group out of the recipe"


@dataclass(frozen=True, slots=True)
class Table:
    """Series of evenly spaced rows, one after another.

    Attributes:
        features: float32 [rows, features]; NaN where a value is missing.
        known: What is known ahead, float32 [rows, known].
        targets: float32 [rows, targets].
        at: When each row was, as datetime64, or its number in its series from 1.
        series: The name and the rows of each series; a name is empty where the source has no groups.
    """

    features: Floats
    known: Floats
    targets: Floats
    at: NDArray[Any]
    series: tuple[tuple[str, slice], ...]

    def __len__(self) -> int:
        return len(self.at)

    def filled(self, missing: Missing, stretches: Iterable[slice]) -> "Table":
        """Fill missing values by the policy `missing`; rows before the first value of a stretch stay NaN.

        Each stretch is filled by itself: interpolation looks ahead, and must not look into the next split or series.
        """
        if missing in {"drop", "refuse"}:
            return self
        features, known, targets = (np.array(block) for block in (self.features, self.known, self.targets))
        for stretch in stretches:
            for block in (features, known, targets):
                frame = pd.DataFrame(block[stretch])
                block[stretch] = (
                    frame.interpolate(method="linear", limit_direction="forward")
                    if missing == "interpolate"
                    else frame.ffill()
                ).to_numpy(np.float32)
        return replace(self, features=features, known=known, targets=targets)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of all files as they were read.

    Attributes:
        numbers: Features, known and targets beside each other, float32 [rows, ...].
        times: datetime64 [rows]; None without a time column.
        groups: The number of each row's group, int64 [rows], and the names of the groups.
        files: The first row of each file, and its path.
    """

    numbers: Floats
    times: NDArray[np.datetime64] | None
    groups: tuple[NDArray[np.int64], list[str]]
    files: list[tuple[int, Path]]

    def place(self, row: int) -> tuple[Path, int]:
        """Give the file of a row, and the row's number in it."""
        first, path = next(file for file in reversed(self.files) if file[0] <= row)
        return path, row - first + 1


def read_table(source: TableSource, folder: Path) -> Table:
    """Read the files of `source`, which lie in `folder`.

    A gap in time becomes rows of missing values. Under "refuse" a missing value is an error; otherwise it is left NaN
    for `Table.filled`.

    Raises:
        SourceRefused: A file, a column or a value is not what it should be; the message says what to change.
    """
    rows = _read(source, folder)
    codes, names = rows.groups
    order = np.argsort(codes, kind="stable") if len(names) > 1 else None
    values = rows.numbers if order is None else rows.numbers[order]
    bounds = np.searchsorted(codes if order is None else codes[order], np.arange(len(names) + 1))
    blocks, moments, series, first = [], [], [], 0
    for name, start, stop in zip(names, bounds[:-1], bounds[1:], strict=True):
        numbers = np.arange(start, stop) if order is None else order[start:stop]
        block, at = _even(rows, values[start:stop], numbers, source)
        if source.missing == "refuse":
            _refuse_missing(rows, block, at, name, source)
        blocks.append(block)
        moments.append(at)
        series.append((name, slice(first, first + len(at))))
        first += len(at)
    whole, at = _joined(blocks), _joined(moments)
    features, known = (len(source.encoded(columns)) for columns in (source.features, source.known))
    read, known_ahead, targets = np.split(whole, [features, features + known], axis=1)
    if source.time_features:
        read = np.concatenate([read, *(waves_of(feature, at) for feature in source.time_features)], axis=1)
    return Table(read, known_ahead, targets, at, tuple(series))


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _read(source: TableSource, folder: Path) -> _Rows:
    numbers, times, codes = Spool(), Spool(), Spool()
    names: dict[str, int] = {}
    files: list[tuple[int, Path]] = []
    count = 0
    for path in paths_of(source, folder):
        files.append((count, path))
        for chunk in chunks_of(path, source):
            numbers.append(_values(chunk, source))
            if source.time is not None:
                times.append(times_of(chunk, source.time))
            if source.group is not None:
                codes.append(
                    np.array(
                        [names.setdefault(name, len(names)) for name in names_of(chunk, source.group, NAMELESS)],
                        np.int64,
                    )
                )
            count += len(chunk.frame)
    groups = (np.zeros(count, np.int64), [""]) if source.group is None else (codes.mapped(), list(names))
    return _Rows(numbers.mapped(), None if source.time is None else times.mapped(), groups, files)


def _values(chunk: Chunk, source: TableSource) -> Floats:
    return np.concatenate(
        [
            one_hot(chunk, column, source.categories[column])
            if column in source.categories
            else numbers_of(chunk, column)
            for column in (*source.features, *source.known, *source.targets)
        ],
        axis=1,
    )


def _even(rows: _Rows, values: Floats, numbers: NDArray[np.int64], source: TableSource) -> tuple[Floats, NDArray[Any]]:
    """Space the rows of one series evenly; `numbers` are theirs among all rows."""
    if rows.times is None:
        return values, np.arange(1, len(values) + 1)

    def where(row: int) -> tuple[str, int]:
        path, number = rows.place(int(numbers[row]))
        return f"{path}: column {source.time!r}", number

    positions, at = even_positions(
        rows.times[numbers[0] : numbers[-1] + 1] if _whole(numbers) else rows.times[numbers], where
    )
    if len(at) == len(values):
        return values, at
    spread = np.full((len(at), values.shape[1]), np.nan, np.float32)
    spread[positions] = values
    return spread, at


def _whole(numbers: NDArray[np.int64]) -> bool:
    return int(numbers[-1] - numbers[0]) + 1 == len(numbers)


def _refuse_missing(rows: _Rows, values: Floats, at: NDArray[Any], name: str, source: TableSource) -> None:
    columns = (*source.features, *source.known, *source.targets)
    # A column that stands twice in the table, or as several numbers, is missing once.
    encoded = source.encoded(columns)
    first = {column: encoded.index(source.encoded((column,))[0]) for column in columns}
    missing = np.isnan(values[:, list(first.values())])
    if missing.any():
        row, column = np.argwhere(missing)[0]
        of = f" of {source.group} {name!r}" if name else ""
        raise SourceRefused(
            f"{rows.files[0][1]}: {int(missing.sum())} values are missing{of}, the first of them column "
            f"{list(first)[column]!r} at {written(at[row])}. "
            'Complete the file, or set missing to "interpolate", "forward-fill" or "drop".'
        )
