"""Many lengths at once: the carousel against one by one, padding, and TensorFlow padded and masked."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from carousel.artifact import CELL_GRAPH, FOLDER
from carousel.engines import OnnxEngine
from carousel.tensors import Floats
from tests.benchmarks import peak, report
from tests.benchmarks.driven import modelled, ride
from tests.benchmarks.masked import BATCH, KERAS, TENSORFLOW, batches, pad, tensorflow
from tests.benchmarks.measure import Spread, Timing, interleaved, ratios
from tests.benchmarks.workloads import STACK_UNITS, flops, sequences_of, version

_ROUNDS = 5
_STATE = 2 * sum(STACK_UNITS)
_SGEMM = 40  # products a round

CAROUSEL, ALONE, PADDED = "the carousel", "one by one", f"padded by {BATCH}"


def main() -> None:
    rows, figures, bars = [], {}, {}
    for name in ("lognormal", "JapaneseVowels"):
        with tensorflow(name) as peers:
            found, numbers, walls = _measure(name, sequences_of(name), peers)
        rows += found
        figures[name] = numbers
        bars[name] = walls
    report.write("mixed", rows, figures, lambda figure: _draw(figure, bars))


def _measure(
    name: str, sequences: list[Floats], peers: dict[str, Callable[[], Timing]]
) -> tuple[list[report.Row], dict[str, Any], dict[str, Spread]]:
    input_dim = sequences[0].shape[1]
    folder = version(f"stack{input_dim}", input_dim)
    engine = OnnxEngine(folder / FOLDER / CELL_GRAPH)
    model = modelled(folder)
    products = peak.products()
    ways: dict[str, Callable[[], object]] = {
        CAROUSEL: lambda: ride(model, sequences),
        ALONE: lambda: [engine.run(x[:, None], np.zeros((1, _STATE), np.float32)) for x in sequences],
        PADDED: lambda: [_padded(engine, batch) for batch in batches(sequences)],
        **peers,
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
    rode, counters = model.counters.steps, model.counters
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
    padded = rode - expected + counters.padded_steps
    rows.append(report.Row(f"{name}: padded steps", f"{padded} of {rode}", "0", padded == 0))
    figures = {
        "sequences": len(sequences),
        "steps": steps,
        "steps_run_per_round": rode // (1 + _ROUNDS),
        "ticks_per_round": sum(counters.rows.counts) / (1 + _ROUNDS),
        "rows": model.version.costs.rows,
        "wall_seconds": walls,
        "cpu_seconds": cpus,
    }
    return rows, figures, {way: Spread.of(walls[way]) for way in (CAROUSEL, ALONE, PADDED, TENSORFLOW, KERAS)}


def _padded(engine: OnnxEngine, batch: list[Floats]) -> None:
    inputs = np.ascontiguousarray(pad(batch).swapaxes(0, 1))
    outputs, _ = engine.run(inputs, np.zeros((len(batch), _STATE), np.float32))
    for row, sequence in enumerate(batch):
        outputs[len(sequence) - 1, row].copy()


def _repeated(product: Callable[[], object]) -> Callable[[], object]:
    def run() -> None:
        for _ in range(_SGEMM):
            product()

    return run


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
