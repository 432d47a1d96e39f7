"""What a call costs the server, with 64 in flight: echo on both transports, and a short sequence through the model."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tests.benchmarks import echo, report
from tests.benchmarks.h2load import framed, load
from tests.benchmarks.measure import Spread, ratios
from tests.benchmarks.served import PREDICT, Process, Served, predicts
from tests.benchmarks.workloads import predict_request, repository

TRANSPORT, AIO, MODEL = "echo, carousel.transport", "echo, grpc.aio", "Predict, [5, 64] -> 128 -> 256"
_CALLS = {TRANSPORT: 30_000, AIO: 6_000, MODEL: 15_000}
_ROUNDS = 5


def main() -> None:
    sequence = np.random.default_rng(0).standard_normal((5, 64)).astype(np.float32)
    body = framed("predict", predict_request("stack64", [sequence]))
    methods = {TRANSPORT: echo.METHOD, AIO: echo.METHOD, MODEL: PREDICT}
    cpu: dict[str, list[float]] = {way: [] for way in methods}
    rate: dict[str, list[float]] = {way: [] for way in methods}
    with (
        Process("tests.benchmarks.echo", "transport") as by_transport,
        Process("tests.benchmarks.echo", "aio") as by_aio,
        Served(repository("stack64", 64)) as served,
    ):
        servers: dict[str, Process] = {TRANSPORT: by_transport, AIO: by_aio, MODEL: served}
        for way, server in servers.items():
            load(server.port, methods[way], body, _CALLS[way] // 5)
        before = predicts(served.metrics())
        for round_ in range(1, _ROUNDS + 1):
            for way, server in servers.items():
                began = server.cpu
                rate[way].append(load(server.port, methods[way], body, _CALLS[way]))
                cpu[way].append((server.cpu - began) / _CALLS[way])
            report.say("calls", f"round {round_} of {_ROUNDS}")
        after = served.metrics()
    wrong = _ROUNDS * _CALLS[MODEL] - (predicts(after) - before)
    rows = []
    for way, target in ((TRANSPORT, 50), (MODEL, 150), (AIO, None)):
        spread = Spread.of(cpu[way])
        came = f"{spread.say(' us', 1e6)}, {np.median(rate[way]):,.0f} calls/s"
        met = None if target is None else spread.median <= target * 1e-6
        rows.append(report.Row(f"server CPU a call, {way}", came, f"<= {target} us" if target else "", met))
    rows += [
        report.Row("grpc.aio's echo against transport's, by CPU", ratios(cpu[AIO], cpu[TRANSPORT]).say("x")),
        report.Row("grpc.aio's echo against Predict, by CPU", ratios(cpu[AIO], cpu[MODEL]).say("x")),
        report.Row("Predict calls not answered OK", f"{wrong} of {_ROUNDS * _CALLS[MODEL]}", "0", wrong == 0),
    ]
    figures: dict[str, Any] = {"cpu_seconds_a_call": cpu, "calls_a_second": rate, "not_ok": wrong}
    report.write("calls", rows, figures, lambda figure: _draw(figure, cpu))


def _draw(figure: Figure, cpu: dict[str, list[float]]) -> None:
    axes = figure.subplots()
    spreads = [Spread.of(values) for values in cpu.values()]
    medians = [1e6 * spread.median for spread in spreads]
    axes.barh(list(cpu), medians, color=["#d1495b", "#9aa5b1", "#2e7d6b"])
    axes.bar_label(axes.containers[0], fmt="%.0f us", padding=4)
    axes.set(title="Server CPU a call, 64 in flight", xlabel="microseconds", xlim=(0, 1.2 * max(medians)))
    axes.invert_yaxis()
