"""Files of sequences that need not fit into memory: arrays (.npy, .npz) and tables (.csv, .parquet)."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from carousel.errors import CarouselError
from carousel.tensors import Samples

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 65_536  # of a table that are read at once
_BUFFER = 65_536  # bytes of a Parquet file's column that are read at once


class SourceRefused(CarouselError):
    """A file does not hold what it should."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One sequence, or some timesteps of one that goes on.

    Attributes:
        name: The sequence's, as the file says it: the value of its column, or its place in the file from 0.
        steps: [timesteps, input_dim], or [timesteps] for tokens.
        begin: Timesteps of it before these.
        ends: Whether these are its last timesteps.
    """

    name: object
    steps: Samples
    begin: int = 0
    ends: bool = True


def read_pieces(file: Path, by: str | None, columns: Sequence[str] | None) -> Iterator[Piece]:
    """Read the sequences of a file, in its order.

    Args:
        file: A .npy file holds one sequence or several of one length, a .npz file one an array. In a .csv or .parquet
            file a line is a timestep.
        by: The column that says whose a line is: lines with equal values, one after the other, are a sequence. Without
            it the whole file is one, and comes in pieces.
        columns: Those that are the model's inputs, in order; all but `by` if it is None.

    Raises:
        SourceRefused: It cannot be read, or holds something else.
    """
    try:
        if file.suffix in {".npy", ".npz"}:
            yield from _arrays(file)
        elif by is None:
            yield from _whole(file, columns)
        else:
            yield from _groups(file, by, columns)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise SourceRefused(f"{file}: {error}") from error


def _arrays(file: Path) -> Iterator[Piece]:
    if file.suffix == ".npz":
        with np.load(file) as arrays:
            for name in arrays.files:
                yield Piece(name, arrays[name])
        return
    array = np.load(file, mmap_mode="r")
    for place, steps in enumerate(array if array.ndim == 3 else array[np.newaxis]):
        yield Piece(place, np.asarray(steps))


def _whole(file: Path, columns: Sequence[str] | None) -> Iterator[Piece]:
    last: Samples | None = None
    begin = 0
    for table in _tables(file):
        if last is not None:
            yield Piece(0, last, begin, ends=False)
            begin += len(last)
        last = _numbers(table, columns or table.column_names)
    if last is None:
        raise ValueError("holds no line")
    yield Piece(0, last, begin)


def _groups(file: Path, by: str, columns: Sequence[str] | None) -> Iterator[Piece]:
    """Cut the table where the value of `by` changes; what a sequence has in one read waits for the next."""
    name: object = None
    parts: list[Samples] = []
    seen: set[object] = set()
    for table in _tables(file):
        names = np.asarray(table.column(by))
        steps = _numbers(table, columns or [each for each in table.column_names if each != by])
        cuts = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(names)]
        for begin, end in itertools.pairwise(cuts):
            if parts and names[begin] != name:
                yield Piece(name, np.concatenate(parts))
                seen.add(name)
                parts = []
            name = names[begin].item() if hasattr(names[begin], "item") else names[begin]
            if name in seen:
                raise ValueError(f"the lines of {by} = {name!r} do not stand together: sort the file by {by}")
            parts.append(steps[begin:end])
    if parts:
        yield Piece(name, np.concatenate(parts))


def _tables(file: Path) -> "Iterator[pa.Table]":
    import pyarrow as pa  # noqa: PLC0415 - an extra: serving does without

    if file.suffix == ".parquet":
        import pyarrow.parquet  # noqa: PLC0415 - as above

        # Not read ahead: what pyarrow reads ahead it keeps until the file is closed, so it would hold all of it.
        with pa.parquet.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER) as opened:
            for batch in opened.iter_batches(_ROWS):
                yield pa.Table.from_batches([batch])
    else:
        import pyarrow.csv  # noqa: PLC0415 - as above

        with pa.csv.open_csv(file) as opened:
            for batch in opened:
                yield pa.Table.from_batches([batch])


def _numbers(table: Any, columns: Sequence[str]) -> Samples:
    found = [np.asarray(table.column(name)) for name in columns]
    for name, column in zip(columns, found, strict=True):
        if column.dtype.kind not in "iuf":
            raise ValueError(f"column {name!r} holds {table.column(name).type}, expected numbers; name the columns")
    if len(found) == 1 and found[0].dtype.kind in "iu":
        return found[0]
    return np.stack(found, axis=1).astype(np.float32, copy=False)
