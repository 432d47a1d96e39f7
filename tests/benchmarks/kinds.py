"""Kinds of models on both engines, in turns: how many times as long TensorFlow takes for the same answers."""

import tempfile
import time
from pathlib import Path
from statistics import median

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure

from carousel.artifact import read_manifest, read_signature
from carousel.engines import Engine, load_engine
from carousel_models.export import export
from tests.benchmarks import report

ROWS, ROUNDS = 8, 15
_ALL = {"return_sequences": True}
MODELS = {
    "Bidirectional(LSTM(64)) twice, 20 timesteps of 32": (
        [
            layers.Input((None, 32)),
            layers.Bidirectional(layers.LSTM(64, **_ALL)),
            layers.Bidirectional(layers.LSTM(64)),
        ],
        20,
    ),
    "Embedding(20000, 128), LSTM(128), 100 tokens": (
        [layers.Input((None,), dtype="int32"), layers.Embedding(20000, 128), layers.LSTM(128)],
        100,
    ),
    "Masking, LSTM(128), 50 timesteps of 32": (
        [layers.Input((None, 32)), layers.Masking(), layers.LSTM(128)],
        50,
    ),
    "Conv1D(64, 3), LSTM(64), 50 timesteps of 32": (
        [layers.Input((None, 32)), layers.Conv1D(64, 3, activation="relu"), layers.LSTM(64)],
        50,
    ),
    "GRU(128), 50 timesteps of 32": ([layers.Input((None, 32)), layers.GRU(128)], 50),
}


def main() -> None:
    rows: list[report.Row] = []
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, (stack, timesteps)) in enumerate(MODELS.items()):
            version = export(keras.Sequential(stack), Path(folder), f"model{i}")
            manifest = read_manifest(version)
            assert manifest is not None
            signature = manifest.complete(read_signature(version))
            engines = [load_engine(version, signature, manifest, choice)[0] for choice in ("onnx", "tensorflow")]
            shape = (timesteps, ROWS, *signature.features)
            if signature.dtype.kind == "i":
                inputs = np.random.default_rng(0).integers(0, 20000, shape, np.int32)
            else:
                inputs = np.random.default_rng(0).standard_normal(shape, np.float32)
            took = np.array([[_seconds(each, inputs, manifest.state_width) for each in engines] for _ in range(ROUNDS)])
            ratio = median(took[1:, 1] / took[1:, 0])
            figures[name] = {"onnx_us": median(took[1:, 0]) * 1e6, "tensorflow_us": median(took[1:, 1]) * 1e6}
            rows.append(report.Row(f"{name}, {ROWS} rows", f"ONNX Runtime is {ratio:.1f} times as fast"))
            report.say("kinds", f"{name}: {ratio:.1f}")
    report.write("kinds", rows, figures, lambda figure: _draw(figure, figures))


def _draw(figure: Figure, figures: dict[str, dict[str, float]]) -> None:
    axes = figure.subplots()
    ratios = [found["tensorflow_us"] / found["onnx_us"] for found in figures.values()]
    axes.barh([name.replace(", ", ",\n", 1) for name in figures], ratios)
    axes.set(xlabel="times as fast on ONNX Runtime as on TensorFlow")
    axes.axvline(1, color="#667")


def _seconds(engine: Engine, inputs: np.ndarray, width: int) -> float:
    """CPU seconds of one run: what another process takes of the machine does not count."""
    state = np.zeros((inputs.shape[1], width), np.float32)
    began = time.process_time()
    engine.run(inputs, state)
    return time.process_time() - began
