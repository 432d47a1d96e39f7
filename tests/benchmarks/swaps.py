"""What a caller feels of a load: the latency of calls one after the other, while versions are swapped or none is."""

import shutil
import threading
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from carousel.client import Client
from carousel.tensors import Floats
from tests.benchmarks import report
from tests.benchmarks.served import Served
from tests.benchmarks.workloads import repository

_ROUNDS = 8
_SECONDS = 3.0
_PAUSE = 0.002  # seconds between an answer and the next call
_KEPT = 2  # copies that stay beside the one that is served


def main() -> None:
    source = repository("stack64", 64)
    name = "stack64"
    folder = source.parent / "swaps"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source / name / "1", folder / name / "1")
    sequence = np.random.default_rng(0).standard_normal((5, 64)).astype(np.float32)
    seconds: dict[str, list[float]] = {"idle": [], "swapping": []}
    with Served(folder, "--poll-seconds", "0.05", "--settle-seconds", "0") as served:
        with Client(served.target) as client:
            for round_ in range(1, _ROUNDS + 1):
                for way in seconds:
                    stop = threading.Event()
                    swapping = threading.Thread(target=_swap, args=(folder / name, stop))
                    if way == "swapping":
                        swapping.start()
                    seconds[way] += _latencies(client, name, sequence)
                    stop.set()
                    if way == "swapping":
                        swapping.join()
                report.say("swaps", f"round {round_} of {_ROUNDS}")
        swaps = int(served.metrics()["carousel_model_loads_total/loaded"]) - 1
    p50, p99 = ({way: float(np.percentile(each, share)) for way, each in seconds.items()} for share in (50, 99))
    ratio = p99["swapping"] / p99["idle"]
    rows = [
        report.Row("p99 of a call while versions are swapped", f"{p99['swapping'] * 1e3:.2f} ms, {swaps} swaps"),
        report.Row("p99 of a call while none is", f"{p99['idle'] * 1e3:.2f} ms"),
        report.Row("p99 while swapping against idle", f"{ratio:.2f}x", "<= 2x", ratio <= 2),
        report.Row("p50 while swapping against idle", f"{p50['swapping'] / p50['idle']:.2f}x"),
    ]
    report.write("swaps", rows, {"seconds": seconds}, lambda figure: _draw(figure, seconds))


def _latencies(client: Client, name: str, sequence: Floats) -> list[float]:
    latencies, end = [], time.perf_counter() + _SECONDS
    while (began := time.perf_counter()) < end:
        client.predict(name, [sequence])
        latencies.append(time.perf_counter() - began)
        time.sleep(_PAUSE)
    return latencies


def _newest(folder: Path) -> int:
    return max(int(path.name) for path in folder.iterdir())


def _swap(folder: Path, stop: threading.Event) -> None:
    """Publish the same model under one number after the other."""
    number = _newest(folder)
    while not stop.is_set():
        number += 1
        beside = folder / f"{number}.tmp"
        shutil.copytree(folder / str(number - 1), beside)
        beside.rename(folder / str(number))
        if number > _KEPT + 1:
            shutil.rmtree(folder / str(number - _KEPT - 1), ignore_errors=True)
        stop.wait(0.5)


def _draw(figure: Figure, seconds: dict[str, list[float]]) -> None:
    axes = figure.subplots()
    for way, color in (("idle", "#9aa5b1"), ("swapping", "#d1495b")):
        each = np.sort(seconds[way]) * 1e3
        axes.plot(each, np.linspace(0, 100, len(each)), color=color, label=way)
    axes.set(title="A call, while versions are swapped", xlabel="milliseconds", ylabel="percent answered", xscale="log")
    axes.legend(frameon=False)
