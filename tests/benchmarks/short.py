"""Short among long: sequences of 10 steps by themselves, and beside an endless supply of 1000-step ones."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tests.benchmarks import report
from tests.benchmarks.arrivals import poisson
from tests.benchmarks.h2load import endless, framed
from tests.benchmarks.measure import Spread, ratios
from tests.benchmarks.served import Served
from tests.benchmarks.workloads import predict_request, repository

SHORT, LONG = 10, 1000
_RATE = 100.0  # calls a second: less than a tenth of what the machine could
_SECONDS = 4.0
_ROUNDS = 5
_LONG_IN_FLIGHT = 32


def main() -> None:
    rng = np.random.default_rng(0)
    short, long = (
        predict_request("stack64", [rng.standard_normal((steps, 64)).astype(np.float32)]) for steps in (SHORT, LONG)
    )
    supply = framed("long", long)
    alone: list[list[float]] = []
    beside: list[list[float]] = []
    with Served(repository("stack64", 64)) as served:
        poisson(served.target, short, _RATE, 1.0)
        for round_ in range(1, _ROUNDS + 1):
            alone.append(_latencies(served, short, 2 * round_))
            with _supplied(served, supply):
                beside.append(_latencies(served, short, 2 * round_ + 1))
            report.say("short", f"round {round_} of {_ROUNDS}")
        metrics = served.metrics()
    rows = []
    for percent, target in ((50, None), (99, 3.0)):
        times = [[float(np.percentile(taken, percent)) for taken in rounds] for rounds in (alone, beside)]
        ratio = ratios(times[1], times[0])
        by_itself, among = (Spread.of(values).say(" ms", 1e3) for values in times)
        rows.append(report.Row(f"p{percent}, {SHORT} steps alone", by_itself))
        rows.append(report.Row(f"p{percent}, beside {_LONG_IN_FLIGHT} of {LONG} steps", among))
        met = None if target is None else ratio.median <= target
        rows.append(report.Row(f"p{percent} ratio", ratio.say("x"), f"<= {target:g}x" if target else "", met))
    figures = {"alone_seconds": alone, "beside_seconds": beside, "steps": metrics["carousel_steps_total/stack64/1"]}
    report.write("short", rows, figures, lambda figure: _draw(figure, alone, beside))


def _latencies(served: Served, body: bytes, seed: int) -> list[float]:
    outcomes = poisson(served.target, body, _RATE, _SECONDS, seed=seed)
    assert all(outcome.code == "OK" for outcome in outcomes)
    return [outcome.latency for outcome in outcomes]


@contextlib.contextmanager
def _supplied(served: Served, body: Path) -> Iterator[None]:
    with endless(served.port, body, in_flight=_LONG_IN_FLIGHT):
        time.sleep(0.5)
        yield
    time.sleep(0.5)


def _draw(figure: Figure, alone: list[list[float]], beside: list[list[float]]) -> None:
    axes = figure.subplots()
    for latencies, colour, label in ((alone, "#2e7d6b", "alone"), (beside, "#d1495b", f"beside {LONG}-step ones")):
        ordered = np.sort(1e3 * np.concatenate(latencies))
        axes.plot(ordered, np.linspace(0, 100, len(ordered)), color=colour, label=label)
    axes.axhline(99, color="#20262e", linestyle="--", linewidth=1)
    axes.set(title=f"Latency of {SHORT}-step sequences", xlabel="milliseconds", ylabel="percent", xscale="log")
    axes.legend(frameon=False)
