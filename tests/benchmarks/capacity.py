"""How many timesteps a CPU second of the whole server serves: what docs/capacity.md counts pods by."""

import numpy as np
from matplotlib.figure import Figure

from tests.benchmarks import report
from tests.benchmarks.h2load import framed, load
from tests.benchmarks.measure import Spread
from tests.benchmarks.served import PREDICT, Served
from tests.benchmarks.workloads import predict_request, repository

MODELS = {
    "lstm300": ("LSTM 128 on 300 inputs", 300, (128,)),
    "stack64": ("LSTM 128 -> 256 on 64 inputs", 64, (128, 256)),
}
SEQUENCES, STEPS = 16, 50  # a request
_CALLS = 300
_ROUNDS = 5


def main() -> None:
    rates: dict[str, list[float]] = {}
    for name, (what, input_dim, units) in MODELS.items():
        chance = np.random.default_rng(0)
        sequences = [chance.standard_normal((STEPS, input_dim)).astype(np.float32) for _ in range(SEQUENCES)]
        body = framed(f"capacity-{name}", predict_request(name, sequences))
        rates[what] = []
        with Served(repository(name, input_dim, units)) as served:
            load(served.port, PREDICT, body, _CALLS // 5, in_flight=8)
            for round_ in range(1, _ROUNDS + 1):
                began = served.cpu
                load(served.port, PREDICT, body, _CALLS, in_flight=8)
                rates[what].append(_CALLS * SEQUENCES * STEPS / (served.cpu - began))
                report.say("capacity", f"{what}: round {round_} of {_ROUNDS}")
    rows = [
        report.Row(
            f"timesteps a CPU second, {what}, {SEQUENCES} sequences of {STEPS} a request",
            Spread.of(found).say(" thousand", 1e-3),
        )
        for what, found in rates.items()
    ]
    report.write("capacity", rows, {"timesteps_a_cpu_second": rates}, lambda figure: _draw(figure, rates))


def _draw(figure: Figure, rates: dict[str, list[float]]) -> None:
    axes = figure.subplots()
    axes.barh(list(rates), [Spread.of(found).median for found in rates.values()], color="#2e7d6b")
    axes.bar_label(axes.containers[0], fmt="%.0f", padding=4)
    axes.set(title="What one core serves", xlabel="timesteps a CPU second")
    axes.invert_yaxis()
