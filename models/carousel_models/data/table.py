"""A raw CSV file as a table: columns by name, evenly spaced rows, missing values by a named policy."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from carousel.tensors import Floats
from carousel_models.data.timeline import even_positions
from carousel_models.refusals import SourceRefused

Missing = Literal["interpolate", "forward-fill", "drop", "refuse"]
"""What becomes of a missing value.

- `interpolate`: the straight line between its neighbours in time.
- `forward-fill`: the last value before it.
- `drop`: no window holds a row with a missing value.
- `refuse`: the file is refused.

Whatever the policy, a window whose target was not measured is left out, so no figure is made of filled values.
"""


@dataclass(frozen=True, slots=True)
class Table:
    """Evenly spaced rows of a file, in order of time.

    Attributes:
        columns: Names of the columns.
        values: float32 [rows, columns]; NaN where a value is missing.
        at: When each row was, as datetime64, or its number in the file where there is no time column.
    """

    columns: tuple[str, ...]
    values: Floats
    at: NDArray[Any]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice) -> "Table":
        return Table(self.columns, self.values[rows], self.at[rows])

    def of(self, columns: tuple[str, ...]) -> Floats:
        """Give the values of `columns`, in that order: float32 [rows, len(columns)]."""
        return self.values[:, [self.columns.index(column) for column in columns]]

    def filled(self, missing: Missing) -> "Table":
        """Fill missing values by the policy `missing`; rows before the first value of a column stay NaN.

        Fill each split by itself: interpolation looks ahead, and must not look into the next split.
        """
        frame = pd.DataFrame(self.values)
        if missing == "interpolate":
            frame = frame.interpolate(method="linear", limit_direction="forward")
        elif missing == "forward-fill":
            frame = frame.ffill()
        return Table(self.columns, frame.to_numpy(np.float32), self.at)


def read_table(
    path: Path,
    columns: tuple[str, ...],
    *,
    time: str | None = None,
    missing: Missing = "refuse",
    separator: str = ",",
    na_values: tuple[str, ...] = (),
) -> Table:
    """Read `columns` of the CSV file at `path`.

    Args:
        path: A CSV file whose first line names its columns.
        columns: Which columns to read; each must hold finite numbers or nothing.
        time: The column that says when; rows must be in order of it. A gap in time becomes rows of missing values.
        missing: With "refuse" a missing value is an error; otherwise it is left NaN for `Table.filled`.
        separator: What stands between two cells.
        na_values: What marks a missing value, beside an empty cell, NA, NaN and null.

    Raises:
        SourceRefused: The file, a column or a value is not what it should be; the message says what to change.
    """
    frame = _read(path, separator, na_values)
    wanted = columns if time is None else (time, *columns)
    if absent := [column for column in wanted if column not in frame.columns]:
        raise SourceRefused(
            f"{path}: has no column {_quoted(absent)}; its columns are {_quoted(frame.columns)}. "
            "Choose among these, or set separator if they were not told apart."
        )
    numbers = np.stack([_numbers(path, frame[column]) for column in columns], axis=1)
    at: NDArray[Any] = np.arange(1, len(frame) + 1)
    if time is not None:
        positions, at = even_positions(path, frame[time])
        spread = np.full((len(at), len(columns)), np.nan, np.float32)
        spread[positions] = numbers
        numbers = spread
    if missing == "refuse":
        _refuse_missing(path, columns, numbers, at)
    return Table(columns, numbers, at)


def _read(path: Path, separator: str, na_values: tuple[str, ...]) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path, sep=separator, na_values=list(na_values), skipinitialspace=True)
    except OSError as error:
        raise SourceRefused(f"{path}: cannot be read: {error.strerror}. The recipe's file names it.") from error
    except (ValueError, pd.errors.ParserError) as error:
        raise SourceRefused(f"{path}: is not a CSV file with a line of column names: {error}") from error
    if frame.empty:
        raise SourceRefused(f"{path}: has no rows below its line of column names")
    return frame


def _numbers(path: Path, column: "pd.Series[Any]") -> Floats:
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = (numbers.isna() & column.notna()) | np.isinf(numbers.to_numpy(np.float64, na_value=np.nan))
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise SourceRefused(
            f"{path}: column {column.name!r} holds {str(column.iloc[row])!r} in row {row + 1}, not a finite number. "
            "Choose columns of numbers as features and targets; if it marks a missing value, add it to na_values."
        )
    return numbers.to_numpy(np.float32, na_value=np.nan)


def _refuse_missing(path: Path, columns: tuple[str, ...], numbers: Floats, at: NDArray[Any]) -> None:
    missing = np.isnan(numbers)
    if missing.any():
        row, column = np.argwhere(missing)[0]
        raise SourceRefused(
            f"{path}: {int(missing.sum())} values are missing, the first of them column {columns[column]!r} at "
            f'{written(at[row])}. Complete the file, or set missing to "interpolate", "forward-fill" or "drop".'
        )


def written(moment: Any) -> str:
    """Write when a row was: a day without its midnight, or a row's number."""
    if isinstance(moment, np.datetime64):
        return str(pd.Timestamp(moment)).removesuffix(" 00:00:00")
    return f"row {moment}"


def _quoted(names: Any) -> str:
    return ", ".join(repr(str(name)) for name in names)
