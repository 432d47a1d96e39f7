"""The engine alone: how near its arithmetic comes to the machine's best, by width, rows and steps."""

import time
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from carousel.artifact import CELL_GRAPH, FOLDER
from carousel.engines import OnnxEngine
from tests.benchmarks import peak, report
from tests.benchmarks.workloads import flops, version

UNITS = (64, 128, 256, 512, 1024)
ROWS = (1, 2, 4, 8, 16, 32, 64)
STEPS = (1, 8, 32)
_ROUNDS = 3
_AT_LEAST = 0.02  # seconds a figure is measured in each round


def main() -> None:
    engines = {u: OnnxEngine(version(f"lstm{u}", u, (u,)) / FOLDER / CELL_GRAPH) for u in UNITS}
    best: dict[tuple[int, int, int], float] = {}
    most, whose = 0.0, ""
    for round_ in range(1, _ROUNDS + 1):
        for units, engine in engines.items():
            (most, whose) = max((most, whose), peak.sgemm(0.05))
            for rows in ROWS:
                for steps in STEPS:
                    key = units, rows, steps
                    best[key] = max(best.get(key, 0.0), _rate(engine, *key))
        report.say("engine", f"round {round_} of {_ROUNDS}")
    rows = [report.Row("sgemm on one core, [768, 768] by [768, 768]", f"{most / 1e9:.0f} GFLOP/s by {whose}")]
    for units in UNITS:
        shares = {key: rate / most for key, rate in best.items() if key[0] == units}
        (_, row_count, steps), share = max(shares.items(), key=lambda item: item[1])
        single = shares[units, 1, 32]
        came = f"{share:.2f} of sgemm at {row_count} rows, {steps} steps; {single:.2f} at one row"
        rows.append(report.Row(f"LSTM({units}) on {units} inputs", came))
    figures = {
        "sgemm_gflops": most / 1e9,
        "sgemm_by": whose,
        "gflops": {f"{u}x{r}x{s}": rate / 1e9 for (u, r, s), rate in best.items()},
    }
    report.write("engine", rows, figures, lambda figure: _draw(figure, best, most))


def _rate(engine: OnnxEngine, units: int, rows: int, steps: int) -> float:
    """FLOP/s, the most of several repetitions."""
    inputs = np.random.default_rng(0).standard_normal((steps, rows, units)).astype(np.float32)
    state = np.zeros((rows, 2 * units), np.float32)
    until, shortest = time.perf_counter() + _AT_LEAST, np.inf
    while (began := time.perf_counter()) < until:
        engine.run(inputs, state)
        shortest = min(shortest, time.perf_counter() - began)
    return steps * rows * flops(units, (units,)) / shortest


def _draw(figure: Figure, best: dict[tuple[int, int, int], float], most: float) -> None:
    all_axes: Any = figure.subplots(1, len(STEPS), sharey=True)
    for axes, steps in zip(all_axes, STEPS, strict=True):
        for units in UNITS:
            axes.plot(ROWS, [best[units, rows, steps] / most for rows in ROWS], marker="o", label=f"LSTM({units})")
        axes.set(title=f"{steps} step{'s' if steps > 1 else ''} a call", xlabel="rows", xscale="log", ylim=(0, 1.05))
        axes.set_xticks(ROWS, ROWS)
        axes.grid(alpha=0.3)
    all_axes[0].set_ylabel("share of sgemm's peak")
    all_axes[-1].legend(frameon=False)
