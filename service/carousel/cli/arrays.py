"""Sequences from files, for the commands that send them."""

import sys
import zipfile
from pathlib import Path

import numpy as np

from carousel.errors import CarouselError
from carousel.tensors import Floats


class FileRefused(CarouselError):
    """A file does not hold sequences."""


def read_sequences(path: Path) -> list[Floats]:
    """Read the sequences in a file, each float32 [timesteps, input_dim].

    A .csv file, or standard input for "-", holds one sequence: a line a timestep, numbers only. A .npy file holds
    one, or several of one length; a .npz file as `carousel train` writes it holds inputs_0, inputs_1, ...

    Raises:
        FileRefused: It holds something else; the message says what.
    """
    try:
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                names = sorted((n for n in arrays.files if n.startswith("inputs_")), key=lambda n: int(n[7:]))
                found = [arrays[name] for name in names]
        elif path.suffix == ".npy":
            array = np.load(path)
            found = list(array) if array.ndim == 3 else [array]
        else:
            found = [np.loadtxt(sys.stdin if str(path) == "-" else path, np.float32, delimiter=",", ndmin=2)]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise FileRefused(f"{path}: {error}") from error
    if not found or any(array.ndim != 2 for array in found):
        raise FileRefused(f"{path}: expected sequences [timesteps, input_dim]")
    return [np.asarray(array, np.float32) for array in found]
