"""Kinds of models on both engines, in turns: how many times as long TensorFlow takes for the same answers."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure

from carousel.artifact import read_manifest, read_signature
from carousel.engines import Engine, load_engine
from carousel.offline import LocalModel
from carousel.serving import load_version
from carousel_models.export import export
from tests.benchmarks import report
from tests.benchmarks.workloads import lognormal

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
        ratio = _left_out(Path(folder) / "model2" / "1")
        rows.append(
            report.Row("Masking, LSTM(128), mixed lengths, half masked", f"left out is {ratio:.1f} times as fast")
        )
        report.say("kinds", f"masked timesteps left out: {ratio:.1f}")
    report.write("kinds", rows, figures, lambda figure: _draw(figure, figures))


def _left_out(version: Path) -> float:
    """How many times as long sequences take, half of whose timesteps are masked, where these are not left out."""
    loaded = load_version(version)
    signature = replace(loaded.signature, mask_value=None)
    models = [LocalModel(loaded), LocalModel(replace(loaded, signature=signature))]
    sequences = lognormal(200, 32)
    rng = np.random.default_rng(0)
    for sequence in sequences:
        sequence[rng.permutation(len(sequence))[: len(sequence) // 2]] = 0
    answers = [b"".join(answer.tobytes() for answer in model.predict(sequences)) for model in models]
    assert answers[0] == answers[1]
    took = np.array([[_cpu_seconds(partial(model.predict, sequences)) for model in models] for _ in range(ROUNDS)])
    return float(median(took[:, 1] / took[:, 0]))


def _draw(figure: Figure, figures: dict[str, dict[str, float]]) -> None:
    axes = figure.subplots()
    ratios = [found["tensorflow_us"] / found["onnx_us"] for found in figures.values()]
    axes.barh([name.replace(", ", ",\n", 1) for name in figures], ratios)
    axes.set(xlabel="times as fast on ONNX Runtime as on TensorFlow")
    axes.axvline(1, color="#667")


def _seconds(engine: Engine, inputs: np.ndarray, width: int) -> float:
    """CPU seconds of one run: what another process takes of the machine does not count."""
    state = np.zeros((inputs.shape[1], width), np.float32)
    return _cpu_seconds(lambda: engine.run(inputs, state))


def _cpu_seconds(function: Callable[[], object]) -> float:
    began = time.process_time()
    function()
    return time.process_time() - began
