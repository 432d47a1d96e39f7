"""Sequences from files, for the commands that send them."""

import csv
import math
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from carousel.errors import CarouselError
from carousel.tensors import Floats, Samples, TensorSpec


class FileRefused(CarouselError):
    """A file does not hold sequences."""


def read_sequences(path: Path) -> list[Samples]:
    """Read the sequences in a file, each float32 [timesteps, input_dim], or whole numbers [timesteps] for tokens.

    A .csv file, or standard input for "-", holds one sequence: a line a timestep, numbers only, after a header line if
    there is one. A .npy file holds one, or several of one length; a .npz file as `carousel train` writes it holds
    inputs_0, inputs_1, ...

    Raises:
        FileRefused: It holds something else; the message says what, in a .csv file by line and column from 1.
    """
    try:
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                names = sorted((n for n in arrays.files if n.startswith("inputs_")), key=lambda n: int(n[7:]))
                found = [arrays[name] for name in names]
        elif path.suffix == ".npy":
            array = np.load(path)
            found = list(array) if array.ndim == 3 else [array]
        elif str(path) == "-":
            found = [_read_lines(sys.stdin)]
        else:
            with path.open(newline="", encoding="utf-8-sig") as lines:
                found = [_read_lines(lines)]
        sequences = [_sequence(array) for array in found]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, csv.Error) as error:
        because = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise FileRefused(f"{path}: {because}") from error
    if not sequences:
        raise FileRefused(f"{path}: expected sequences, found none")
    return sequences


def read_timesteps(lines: Iterable[str]) -> Iterator[list[float]]:
    """Read a timestep from each line of numbers separated by commas, as the lines come.

    Empty lines are passed over, and so is a first line without any number: a header.

    Raises:
        ValueError: A line holds something else; the message says which line and column, from 1.
    """
    width = 0
    reader = csv.reader(lines)
    for cells in reader:
        empty = len(cells) < 2 and not "".join(cells).strip()
        if empty or (reader.line_num == 1 and not any(map(_is_number, cells))):
            continue
        if width and len(cells) != width:
            raise ValueError(f"line {reader.line_num} has {len(cells)} columns, those before it have {width}")
        width = len(cells)
        for column, cell in enumerate(cells, 1):
            if not _is_number(cell):
                raise ValueError(f"line {reader.line_num}, column {column}: expected a number, got {cell!r}")
        yield [float(cell) for cell in cells]


def read_sample(files: Sequence[str], specs: Sequence[TensorSpec]) -> dict[str, Samples]:
    """Read one sample whose inputs have names, as the author of the model declared them.

    Args:
        files: Each NAME=FILE holds the input NAME, a line a timestep. One without a name is a .csv file whose header
            names the input of each column, what follows a dot or a bracket left out: `price.low, price.high, store`.
        specs: The inputs of the model; one without timesteps is taken from the first line.

    Returns:
        Each input by its name, without the batch.

    Raises:
        FileRefused: A file holds something else, or an input that the model has not.
    """
    known = {spec.name: spec for spec in specs}
    sample: dict[str, Samples] = {}
    for given in files:
        name, _, file = given.rpartition("=")
        for named, array in _columns(name, Path(file)).items():
            if named not in known:
                raise FileRefused(f"{file}: {named!r} is no input of the model; it takes {', '.join(known)}")
            sample[named] = _shaped(array, known[named])
    return sample


def _sequence(array: Samples) -> Samples:
    if array.dtype.kind in "iu" and array.ndim == 1:
        return array
    if array.ndim != 2:
        raise ValueError("expected sequences [timesteps, input_dim], or whole numbers [timesteps] for tokens")
    return array.astype(np.float32)


def _columns(name: str, path: Path) -> dict[str, Samples]:
    if name:
        (only, *more) = read_sequences(path)
        if more:
            raise FileRefused(f"{path}: holds {len(more) + 1} sequences, expected one for {name!r}")
        return {name: only}
    (array,) = read_sequences(path)
    with path.open(newline="", encoding="utf-8-sig") as lines:
        header = next(csv.reader(lines), [])
    names = [re.split(r"[.\[]", cell.strip(), maxsplit=1)[0] for cell in header]
    if array.ndim != 2 or len(names) != array.shape[1] or any(map(_is_number, header)):
        raise FileRefused(f"{path}: expected a first line that names the input of each of its columns")
    return {each: array[:, [own == each for own in names]] for each in dict.fromkeys(names)}


def _shaped(array: Samples, spec: TensorSpec) -> Samples:
    """Give lines of numbers the declared shape without the batch, if they have as many numbers as that needs."""
    typed: Samples = array.astype(np.int64) if "int" in spec.dtype else array
    if array.ndim == 1:
        return typed
    features = [dim for dim in spec.shape[2:] if dim is not None]
    if len(spec.shape) > 2 and array.shape[1] == math.prod(features):
        return typed.reshape(len(array), *features)
    if len(spec.shape) == 2:
        timewise = spec.shape[1] in {None, len(array)} and array.shape[1] == 1
        return typed[:, 0] if timewise else typed[0]
    return typed


def _read_lines(lines: Iterable[str]) -> Floats:
    """Read all timesteps, float32 [timesteps, columns]."""
    timesteps = list(read_timesteps(lines))
    if not timesteps:
        raise ValueError("expected lines of numbers, found none")
    return np.array(timesteps, np.float32)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
