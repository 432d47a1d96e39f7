"""The models that are measured, and the sequences that ride."""

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np

from carousel.stubs.v1.inference_pb2 import PredictRequest
from carousel.tensors import Floats
from carousel.wire import write_tensor
from tests.benchmarks.report import FOLDER, say

STACK_UNITS = (128, 256)
INPUT_DIM = 64
KERAS_FILE = "own.keras"
"""Beside a model's versions: what they were exported from."""


def flops(input_dim: int, units: tuple[int, ...] = STACK_UNITS) -> int:
    """Floating-point operations of one timestep: four gates, each a product with inputs and with h, 8U(D+U) a layer."""
    return sum(8 * u * (d + u) for d, u in zip((input_dim, *units[:-1]), units, strict=True))


def repository(name: str, input_dim: int, units: tuple[int, ...] = STACK_UNITS) -> Path:
    """Export a stack of LSTMs, once, to a repository that holds nothing else; return the repository."""
    folder = FOLDER / "models" / name
    if not (folder / name / KERAS_FILE).exists():  # the last that is written
        shutil.rmtree(folder, ignore_errors=True)
        say(name, "is being exported")
        # In a process of its own: what measures has neither TensorFlow's threads nor its memory.
        exporting = [sys.executable, "-m", "tests.benchmarks.workloads", folder, name, input_dim, *units]
        subprocess.run([*map(str, exporting)], check=True)
    return folder


def _export(folder: Path, name: str, input_dim: int, *units: int) -> None:
    import keras  # noqa: PLC0415 - slow, and needed only where nothing was exported yet

    from carousel_models.export.exporter import export  # noqa: PLC0415 - as above

    keras.utils.set_random_seed(0)
    rides = [keras.layers.LSTM(u, return_sequences=True) for u in units[:-1]]
    layers = [keras.layers.Input((None, input_dim)), *rides, keras.layers.LSTM(units[-1])]
    model = keras.Sequential(layers)
    export(model, folder, name, 1)
    model.save(folder / name / KERAS_FILE)


def version(name: str, input_dim: int, units: tuple[int, ...] = STACK_UNITS) -> Path:
    """Export likewise; return the version's folder."""
    return repository(name, input_dim, units) / name / "1"


def lognormal(count: int, input_dim: int = INPUT_DIM, seed: int = 0) -> list[Floats]:
    """Draw sequences of very different lengths: lognormal, 3 to 500 timesteps, 47 on average."""
    rng = np.random.default_rng(seed)
    lengths = np.clip(rng.lognormal(3.4, 1.0, count), 3, 500).astype(int)
    return [rng.standard_normal((length, input_dim)).astype(np.float32) for length in lengths]


@cache
def vowels() -> list[Floats]:
    """Load JapaneseVowels: 640 spoken vowels, 7 to 29 timesteps of 12 features."""
    from aeon.datasets import load_japanese_vowels  # noqa: PLC0415 - slow to import

    return [np.ascontiguousarray(sequence.T, np.float32) for sequence in load_japanese_vowels()[0]]


def sequences_of(name: str) -> list[Floats]:
    """Give a mix of lengths by its name: so many that the last few, which ride with ever fewer, weigh little."""
    return vowels() if name == "JapaneseVowels" else lognormal(1200)


def predict_request(model: str, sequences: list[Floats]) -> bytes:
    """Write the request for some sequences."""
    request = PredictRequest(model=model)
    for sequence in sequences:
        write_tensor(sequence, request.inputs.add())
    return bytes(request.SerializeToString())


def gathered(name: str, versions: dict[str, Path]) -> Path:
    """Make a repository of versions that lie elsewhere."""
    folder = FOLDER / "models" / name
    for model, where in versions.items():
        (folder / model).mkdir(parents=True, exist_ok=True)
        if not (folder / model / "1").exists():
            (folder / model / "1").symlink_to(where)
    return folder


if __name__ == "__main__":
    _export(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))
