"""Many lengths at once: the carousel against one by one, padding, and TensorFlow padded and masked."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from carousel.engines.onnx import OnnxEngine
from carousel.manifest import FOLDER, PLAN
from carousel.tensors import Floats
from tests.benchmarks import peak, report
from tests.benchmarks.driven import modelled, ride
from tests.benchmarks.measure import Spread, interleaved, ratios
from tests.benchmarks.workloads import STACK_UNITS, flops, lognormal, version, vowels

BATCH = 32
_ROUNDS = 7
_STATE = 2 * sum(STACK_UNITS)
_SGEMM = 40  # products a round

CAROUSEL, ALONE, PADDED = "the carousel", "one by one", f"padded by {BATCH}"
TENSORFLOW, KERAS = "TensorFlow's SavedModel, padded, masked", "Keras' predict, padded, masked"


def main() -> None:
    rows, figures, bars = [], {}, {}
    for name, sequences in (("lognormal", lognormal(400)), ("JapaneseVowels", vowels())):
        found, numbers, walls = _measure(name, sequences)
        rows += found
        figures[name] = numbers
        bars[name] = walls
    report.write("mixed", rows, figures, lambda figure: _draw(figure, bars))


def _measure(name: str, sequences: list[Floats]) -> tuple[list[report.Row], dict[str, Any], dict[str, Spread]]:
    input_dim = sequences[0].shape[1]
    folder = version(f"stack{input_dim}", input_dim)
    engine = OnnxEngine(folder / FOLDER / PLAN)
    model = modelled(folder)
    products = peak.products()
    ways: dict[str, Callable[[], object]] = {
        CAROUSEL: lambda: ride(model, sequences),
        ALONE: lambda: [engine.run(x[:, None], np.zeros((1, _STATE), np.float32)) for x in sequences],
        PADDED: lambda: [_padded(engine, batch) for batch in _batches(sequences)],
        **_tensorflow(sequences),
        **{library: _repeated(product) for library, product in products.items()},
    }
    timings = interleaved(f"mixed, {name}", ways, _ROUNDS)
    walls = {way: [timing.wall for timing in taken] for way, taken in timings.items()}
    cpus = {way: [timing.cpu for timing in taken] for way, taken in timings.items()}
    steps = sum(map(len, sequences))
    work = steps * flops(input_dim)
    gemm = min(products, key=lambda library: float(np.median(walls[library])))
    share, share_cpu = (
        [work / t / (_SGEMM * peak.FLOPS / g) for t, g in zip(w[CAROUSEL], w[gemm], strict=True)] for w in (walls, cpus)
    )
    rode, tally = model.tally.steps, model.tally
    expected = (1 + _ROUNDS) * steps
    lognormal_targets = name == "lognormal"
    rows = []
    for way, target in ((PADDED, 4.0), (TENSORFLOW, 8.0), (KERAS, None), (ALONE, None)):
        times, times_cpu = ratios(walls[way], walls[CAROUSEL]), ratios(cpus[way], cpus[CAROUSEL])
        goal = f">= {target:g}x" if target and lognormal_targets else ""
        came = f"{times.say('x')}, by CPU {times_cpu.median:.3g}x"
        rows.append(report.Row(f"{name}: faster than {way}", came, goal, times.median >= target if goal else None))
    limit = ratios(walls[TENSORFLOW], [work * taken / (_SGEMM * peak.FLOPS) for taken in walls[gemm]])
    rows.append(report.Row(f"{name}: faster than {TENSORFLOW}, if all were sgemm at its peak", limit.say("x")))
    best = _SGEMM * peak.FLOPS / float(np.median(walls[gemm])) / 1e9
    by_cpu = Spread.of(share_cpu).median
    came = f"{Spread.of(share).say()}, by CPU {by_cpu:.2f}; sgemm {best:.0f} GFLOP/s by {gemm}"
    met = Spread.of(share).median >= 0.85 if lognormal_targets else None
    rows.append(report.Row(f"{name}: share of sgemm", came, ">= 0.85" if lognormal_targets else "", met))
    padded = rode - expected + tally.padded_steps
    rows.append(report.Row(f"{name}: padded steps", f"{padded} of {rode}", "0", padded == 0))
    figures = {
        "sequences": len(sequences),
        "steps": steps,
        "steps_run_per_round": rode // (1 + _ROUNDS),
        "ticks_per_round": sum(tally.rows.counts) / (1 + _ROUNDS),
        "rows": model.loaded.costs.rows,
        "wall_seconds": walls,
        "cpu_seconds": cpus,
    }
    return rows, figures, {way: Spread.of(walls[way]) for way in (CAROUSEL, ALONE, PADDED, TENSORFLOW, KERAS)}


def _batches(sequences: list[Floats]) -> list[list[Floats]]:
    return [sequences[i : i + BATCH] for i in range(0, len(sequences), BATCH)]


def _pad(batch: list[Floats]) -> Floats:
    """Fill up to the longest with zeros, [batch, timesteps, input_dim]."""
    padded = np.zeros((len(batch), max(map(len, batch)), batch[0].shape[1]), np.float32)
    for row, sequence in enumerate(batch):
        padded[row, : len(sequence)] = sequence
    return padded


def _padded(engine: OnnxEngine, batch: list[Floats]) -> None:
    inputs = np.ascontiguousarray(_pad(batch).swapaxes(0, 1))
    outputs, _ = engine.run(inputs, np.zeros((len(batch), _STATE), np.float32))
    for row, sequence in enumerate(batch):
        outputs[len(sequence) - 1, row].copy()


def _repeated(product: Callable[[], object]) -> Callable[[], object]:
    def run() -> None:
        for _ in range(_SGEMM):
            product()

    return run


def _tensorflow(sequences: list[Floats]) -> dict[str, Callable[[], object]]:
    """The same layers behind a Masking layer, on one thread as well: as they are served, and as Keras' users ask."""
    import tensorflow as tf  # noqa: PLC0415 - slow to import
    from keras import Sequential, layers  # noqa: PLC0415 - as above

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    input_dim = sequences[0].shape[1]
    masked = Sequential(
        [
            layers.Input((None, input_dim), name="inputs"),
            layers.Masking(),
            *(layers.LSTM(u, return_sequences=True) for u in STACK_UNITS[:-1]),
            layers.LSTM(STACK_UNITS[-1]),
        ]
    )
    folder = report.FOLDER / "models" / f"masked{input_dim}"
    masked.export(folder, verbose=False)
    saved = tf.saved_model.load(folder)
    served = saved.signatures["serving_default"]

    def by_saved_model() -> None:
        assert saved is not None  # the signature alone does not keep its weights
        for batch in _batches(sequences):
            (answer,) = served(inputs=tf.constant(_pad(batch))).values()
            answer.numpy()

    def by_keras() -> None:
        for batch in _batches(sequences):
            masked.predict(_pad(batch), batch_size=BATCH, verbose=0)

    return {TENSORFLOW: by_saved_model, KERAS: by_keras}


def _draw(figure: Figure, bars: dict[str, dict[str, Spread]]) -> None:
    all_axes: Any = figure.subplots(1, len(bars))
    for axes, (name, walls) in zip(all_axes, bars.items(), strict=True):
        medians = [1000 * wall.median for wall in walls.values()]
        errors = [
            [1000 * (wall.median - wall.low) for wall in walls.values()],
            [1000 * (wall.high - wall.median) for wall in walls.values()],
        ]
        axes.barh(list(walls), medians, xerr=errors, color=["#d1495b", *["#9aa5b1"] * (len(walls) - 1)])
        axes.bar_label(axes.containers[-1], fmt="%.0f ms", padding=4)
        axes.set(title=name, xlabel="milliseconds for all sequences", xlim=(0, 1.2 * max(medians)))
        axes.invert_yaxis()
