"""Engine calls side by side: one server with a lane for each core against one that runs every tick on its loop."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tests.benchmarks import report
from tests.benchmarks.h2load import framed, load
from tests.benchmarks.measure import Spread, ratios
from tests.benchmarks.served import PREDICT, Served
from tests.benchmarks.workloads import predict_request, repository

_LANES = (1, 2)
_ROUNDS = 7
_IN_FLIGHT = 64

# By name: the model's input_dim and units, the timesteps of its sequences, and how many calls of each length a round.
_WORK: dict[str, tuple[str, int, tuple[int, ...], tuple[int, ...], int]] = {
    "short, [5, 64] -> 128 -> 256": ("stack64", 64, (128, 256), (5,), 6000),
    "long, [100, 300] -> 128": ("wide300", 300, (128,), (100,), 1500),
    "mixed, 8 to 200 timesteps": ("stack64", 64, (128, 256), (8, 20, 45, 200), 250),
}


def main() -> None:
    rows, figures, gains = [], {}, {}
    for name, (model, input_dim, units, lengths, calls) in _WORK.items():
        rate, cpu = _measure(name, model, input_dim, units, lengths, calls)
        gain = gains[name] = ratios(rate[2], rate[1])
        came = f"{gain.say('x')} the calls a second, {ratios(cpu[2], cpu[1]).say('x')} the CPU a call"
        rows.append(report.Row(f"2 lanes against 1, one connection, {name}", came))
        figures[name] = {"calls_a_second": rate, "cpu_seconds_a_call": cpu}
    report.write("lanes", rows, figures, lambda figure: _draw(figure, gains))


def _measure(
    name: str, model: str, input_dim: int, units: tuple[int, ...], lengths: tuple[int, ...], calls: int
) -> tuple[dict[int, list[float]], dict[int, list[float]]]:
    rng = np.random.default_rng(0)
    bodies = [
        framed(f"lanes{steps}", predict_request(model, [rng.standard_normal((steps, input_dim)).astype(np.float32)]))
        for steps in lengths
    ]
    rate: dict[int, list[float]] = {lanes: [] for lanes in _LANES}
    cpu: dict[int, list[float]] = {lanes: [] for lanes in _LANES}
    in_flight = _IN_FLIGHT // len(bodies)
    with ExitStack() as ends, ThreadPoolExecutor(len(bodies)) as senders:
        folder = repository(model, input_dim, units)
        served = {n: ends.enter_context(Served(folder, "--lanes", str(n))) for n in _LANES}
        for round_ in range(_ROUNDS + 1):
            for lanes, server in served.items():
                began = server.cpu

                def send(body: Any, port: int = server.port) -> float:
                    return load(port, PREDICT, body, calls, in_flight=in_flight, connections=1)

                rates = list(senders.map(send, bodies))
                if round_:  # the first warms up
                    rate[lanes].append(len(rates) * min(rates))  # the slowest sender ends the round
                    cpu[lanes].append((server.cpu - began) / (calls * len(bodies)))
            report.say("lanes", f"{name}: round {round_} of {_ROUNDS}")
    return rate, cpu


def _draw(figure: Figure, gains: dict[str, Spread]) -> None:
    axes: Any = figure.subplots()
    axes.barh(list(gains), [gain.median for gain in gains.values()], color="#2e7d6b")
    axes.bar_label(axes.containers[0], fmt="%.2fx", padding=4)
    axes.axvline(1, color="#20262e", linestyle="--", linewidth=1)
    axes.set(title="A second lane", xlabel="times as fast as with one", xlim=(0, 2.1))
    axes.invert_yaxis()
