"""The raw files of a source, read in chunks: no file lies in memory as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from carousel_models.recipe import TableSource, TextSource
from carousel_models.refusals import SourceRefused

CHUNK = 100_000
"""Rows that are read at once."""

_BUFFER = 65_536
"""Bytes of a Parquet file's column that are read at once."""

Source = TableSource | TextSource


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a file.

    Attributes:
        path: The file.
        first: How many of its rows come before these.
        frame: The columns of these rows.
    """

    path: Path
    first: int
    frame: pd.DataFrame

    def row(self, row: int) -> int:
        """Give the number of a row of the chunk in its file: from 1, the line of names not counted."""
        return self.first + row + 1


def paths_of(source: Source, folder: Path) -> list[Path]:
    """Give the files of `source`, in order of their names.

    Raises:
        SourceRefused: No file fits the pattern.
    """
    path = folder / source.file
    if "*" not in path.name:
        return [path]
    if paths := sorted(path.parent.glob(path.name)):
        return paths
    raise SourceRefused(f"{path}: no file fits: change file in the recipe, or put one there")


def chunks_of(path: Path, source: Source) -> Iterator[Chunk]:
    """Read the columns of `source` from a CSV or Parquet file, which the suffix `.parquet` tells apart.

    Raises:
        SourceRefused: The file cannot be read, lacks a column, or has no rows.
    """
    first = 0
    try:
        for frame in _parquet(path, source) if path.suffix == ".parquet" else _csv(path, source):
            yield Chunk(path, first, frame)
            first += len(frame)
    except OSError as error:
        raise SourceRefused(
            f"{path}: cannot be read: {error.strerror or error}. The recipe's file names it."
        ) from error
    except (ValueError, pd.errors.ParserError, pa.ArrowException) as error:
        what = "a Parquet file" if path.suffix == ".parquet" else "a CSV file with a line of column names"
        raise SourceRefused(f"{path}: is not {what}: {error}") from error
    if not first:
        raise SourceRefused(f"{path}: has no rows below its line of column names")


def _csv(path: Path, source: Source) -> Iterator[pd.DataFrame]:
    marks = list(source.na_values)
    names = pd.read_csv(path, sep=source.separator, skipinitialspace=True, nrows=0).columns
    wanted = _wanted(path, source, list(names))
    words = dict.fromkeys(source.words, str)
    with pd.read_csv(
        path,
        sep=source.separator,
        na_values=marks,
        skipinitialspace=True,
        usecols=wanted,
        dtype=words,
        chunksize=CHUNK,
    ) as frames:
        yield from frames


def _parquet(path: Path, source: Source) -> Iterator[pd.DataFrame]:
    # Not read ahead: what pyarrow reads ahead it keeps until the file is closed, so it would hold all of it.
    with parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER) as file:
        wanted = _wanted(path, source, file.schema_arrow.names)
        for batch in file.iter_batches(CHUNK, columns=wanted):
            yield batch.to_pandas()


def _wanted(path: Path, source: Source, names: list[str]) -> list[str]:
    wanted = list(source.columns)
    if absent := [column for column in wanted if column not in names]:
        raise SourceRefused(
            f"{path}: has no column {_quoted(absent)}; its columns are {_quoted(names)}. "
            "Choose among these, or set separator if they were not told apart."
        )
    return wanted


def _quoted(names: list[str]) -> str:
    return ", ".join(repr(str(name)) for name in names)
