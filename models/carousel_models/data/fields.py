"""The cells of a column as numbers, times or names."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from carousel.tensors import Floats
from carousel_models.data.files import Chunk
from carousel_models.refusals import SourceRefused


def numbers_of(chunk: Chunk, name: str) -> Floats:
    """Give a column of numbers, float32 [rows, 1]; NaN where a value is missing.

    Raises:
        SourceRefused: A cell holds something else than a finite number.
    """
    column = chunk.frame[name]
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = (numbers.isna() & column.notna()) | np.isinf(numbers.to_numpy(np.float64, na_value=np.nan))
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise SourceRefused(
            f"{chunk.path}: column {name!r} holds {str(column.iloc[row])!r} in row {chunk.row(row)}, not a finite "
            "number. Choose columns of numbers as features and targets; if it marks a missing value, add it to "
            "na_values; if it is a word, list the column's words in categories."
        )
    return numbers.to_numpy(np.float32, na_value=np.nan)[:, None]


def one_hot(chunk: Chunk, name: str, categories: tuple[str, ...]) -> Floats:
    """Give a column of words, float32 [rows, categories]: 1 where the word is that one; NaN where it is missing.

    Raises:
        SourceRefused: A cell holds a word that is not among the categories.
    """
    column = chunk.frame[name]
    codes = pd.Index(categories).get_indexer(pd.Index(column))
    missing = column.isna().to_numpy()
    wrong = (codes < 0) & ~missing
    if wrong.any():
        row = int(wrong.argmax())
        raise SourceRefused(
            f"{chunk.path}: column {name!r} holds {str(column.iloc[row])!r} in row {chunk.row(row)}, which is not "
            f"among its categories: add it to categories.{name}, or to na_values if it marks a missing value."
        )
    rows: Floats = np.eye(len(categories), dtype=np.float32)[codes]
    rows[missing] = np.nan
    return rows


def times_of(chunk: Chunk, name: str) -> NDArray[np.datetime64]:
    """Give a column of times, datetime64[ns] [rows].

    Raises:
        SourceRefused: A cell is not a time.
    """
    column = chunk.frame[name]
    times = pd.to_datetime(column, errors="coerce", format="mixed" if column.dtype.kind in "OTU" else None)
    wrong = times.isna().to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise SourceRefused(
            f"{chunk.path}: column {name!r} holds {column.iloc[row]!r} in row {chunk.row(row)}, which is not a time. "
            "Write times like 2012-01-31 or 2012-01-31 14:00, or leave time out of the recipe."
        )
    return times.to_numpy("datetime64[ns]")


def names_of(chunk: Chunk, name: str, remedy: str) -> NDArray[np.object_]:
    """Give a column of words as they are written, str [rows]; `remedy` says what to do where one is missing.

    Raises:
        SourceRefused: A cell is empty.
    """
    column = chunk.frame[name]
    missing = column.isna().to_numpy()
    if missing.any():
        raise SourceRefused(
            f"{chunk.path}: column {name!r} is empty in row {chunk.row(int(missing.argmax()))}: {remedy}."
        )
    names: NDArray[np.object_] = column.astype(str).to_numpy(object)
    return names


def written(moment: Any) -> str:
    """Write when a row was: a day without its midnight, or a row's number."""
    if isinstance(moment, np.datetime64):
        return str(pd.Timestamp(moment)).removesuffix(" 00:00:00")
    return f"row {moment}"
