"""From nothing to SERVING: how long, and how much memory, beside what the imports alone take."""

import subprocess
import sys
import time

from matplotlib.figure import Figure

from tests.benchmarks import report
from tests.benchmarks.measure import Spread, ratios
from tests.benchmarks.served import Served
from tests.benchmarks.workloads import repository

_ROUNDS = 5
_IMPORTS = "import grpc, numpy, onnxruntime, prometheus_client, google.protobuf"


def main() -> None:
    folder = repository("stack64", 64)
    ready: list[float] = []
    cpu: list[float] = []
    memory: list[float] = []
    imports: list[float] = []
    for round_ in range(_ROUNDS + 1):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", _IMPORTS], check=True)
        passed = time.perf_counter() - began
        with Served(folder) as served:
            if round_:  # the first brings the files into memory
                imports.append(passed)
                ready.append(served.ready)
                cpu.append(served.cpu)
                memory.append(served.resident)
        report.say("start", f"round {round_} of {_ROUNDS}")
    at, held = Spread.of(ready), Spread.of(memory)
    rows = [
        report.Row(
            "process start to SERVING", f"{at.say(' s')}, CPU {Spread.of(cpu).median:.2f} s", "< 1.5 s", at.median < 1.5
        ),
        report.Row("against importing what it stands on", ratios(ready, imports).say("x")),
        report.Row("resident when ready", held.say(" MB"), "< 200 MB", held.median < 200),
    ]
    figures = {"ready_seconds": ready, "cpu_seconds": cpu, "resident_megabytes": memory, "imports_seconds": imports}
    report.write("start", rows, figures, lambda figure: _draw(figure, ready, imports))


def _draw(figure: Figure, ready: list[float], imports: list[float]) -> None:
    axes = figure.subplots()
    spots = range(1, len(ready) + 1)
    axes.bar(spots, ready, color="#d1495b", label="process start to SERVING")
    axes.bar(spots, imports, color="#9aa5b1", width=0.5, label="imports alone")
    axes.axhline(1.5, color="#20262e", linestyle="--", linewidth=1)
    axes.set(title="A start, on the ONNX engine", xlabel="start", ylabel="seconds")
    axes.legend(frameon=False)
