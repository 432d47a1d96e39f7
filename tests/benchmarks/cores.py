"""More than one core: threads inside one engine call, and worker processes on one port."""

from contextlib import ExitStack
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from carousel.artifact import CELL_GRAPH, FOLDER
from carousel.engines import OnnxEngine
from tests.benchmarks import report
from tests.benchmarks.h2load import framed, load
from tests.benchmarks.measure import Spread, Timing, ratios, timed
from tests.benchmarks.served import PREDICT, Served
from tests.benchmarks.workloads import INPUT_DIM, predict_request, repository, version

UNITS = (128, 256, 512, 1024)
ROWS, STEPS = 8, 8
_THREADS = (1, 2)
_WORKERS = (1, 2)
_ROUNDS = 5
_REPEATS = 20  # engine calls a round
_CALLS = 4000


def main() -> None:
    rows, figures = [], {}
    gains: dict[str, Spread] = {}
    for units in UNITS:
        found, same = _threads(units)
        walls, cpus = ([[getattr(each, kind) for each in found[n]] for n in _THREADS] for kind in ("wall", "cpu"))
        gain = gains[f"2 threads, LSTM({units})"] = ratios(walls[0], walls[1])
        came = f"{gain.say('x')} as fast, {ratios(cpus[1], cpus[0]).median:.2f}x the CPU, bits {same}"
        rows.append(report.Row(f"2 threads a call, LSTM({units}), {ROWS} rows", came))
        figures[f"threads, {units}"] = {"wall_seconds": walls, "cpu_seconds": cpus, "bits": same}
    rates, cpu = _workers()
    gain = gains["2 workers, LSTM 128 -> 256"] = ratios(rates[2], rates[1])
    came = f"{gain.say('x')} the calls a second, {ratios(cpu[2], cpu[1]).median:.2f}x the CPU a call"
    rows.append(report.Row("2 workers, [20, 64] -> 128 -> 256, the load generator on the same 2 cores", came))
    figures["workers"] = {"calls_a_second": rates, "cpu_seconds_a_call": cpu}
    report.write("cores", rows, figures, lambda figure: _draw(figure, gains))


def _threads(units: int) -> tuple[dict[int, list[Timing]], str]:
    graph = version(f"lstm{units}", units, (units,)) / FOLDER / CELL_GRAPH
    engines = {threads: OnnxEngine(graph, threads) for threads in _THREADS}
    inputs = np.random.default_rng(0).standard_normal((STEPS, ROWS, units)).astype(np.float32)
    state = np.zeros((ROWS, 2 * units), np.float32)
    answers = {engine.run(inputs, state)[0].tobytes() for engine in engines.values()}
    found: dict[int, list[Timing]] = {threads: [] for threads in _THREADS}
    for _ in range(_ROUNDS):
        for threads, engine in engines.items():
            found[threads].append(timed(lambda e=engine: [e.run(inputs, state) for _ in range(_REPEATS)]))  # type: ignore[misc]
    report.say("cores", f"LSTM({units})")
    return found, "equal" if len(answers) == 1 else "DIFFERENT"


def _workers() -> tuple[dict[int, list[float]], dict[int, list[float]]]:
    sequence = np.random.default_rng(0).standard_normal((20, INPUT_DIM)).astype(np.float32)
    body = framed("cores", predict_request("stack64", [sequence]))
    rates: dict[int, list[float]] = {workers: [] for workers in _WORKERS}
    cpu: dict[int, list[float]] = {workers: [] for workers in _WORKERS}
    with ExitStack() as ends:
        folder = repository("stack64", INPUT_DIM)
        served = {n: ends.enter_context(Served(folder, "--workers", str(n))) for n in _WORKERS}
        for round_ in range(_ROUNDS + 1):
            for workers, server in served.items():
                began = server.cpu
                rate = load(server.port, PREDICT, body, _CALLS, connections=16)
                if round_:  # the first warms up
                    rates[workers].append(rate)
                    cpu[workers].append((server.cpu - began) / _CALLS)
            report.say("cores", f"round {round_} of {_ROUNDS}")
    return rates, cpu


def _draw(figure: Figure, gains: dict[str, Spread]) -> None:
    axes: Any = figure.subplots()
    axes.barh(list(gains), [gain.median for gain in gains.values()], color="#2e7d6b")
    axes.bar_label(axes.containers[0], fmt="%.2fx", padding=4)
    axes.axvline(1, color="#20262e", linestyle="--", linewidth=1)
    axes.set(title="A second core", xlabel="times as fast as with one", xlim=(0, 2.1))
    axes.invert_yaxis()
