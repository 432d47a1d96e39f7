"""Sequences of one length, where there is no padding to save: what the carousel takes against plain batches of 32."""

import numpy as np
from matplotlib.figure import Figure

from carousel.artifact import CELL_GRAPH, FOLDER
from carousel.engines import OnnxEngine
from tests.benchmarks import report
from tests.benchmarks.driven import modelled, ride
from tests.benchmarks.masked import BATCH, batches
from tests.benchmarks.measure import Spread, interleaved, ratios
from tests.benchmarks.workloads import INPUT_DIM, STACK_UNITS, version

LENGTHS = (5, 50, 500)
_STEPS = 20_000  # a round
_ROUNDS = 5
_STATE = np.zeros((BATCH, 2 * sum(STACK_UNITS)), np.float32)

CAROUSEL, BATCHES = "the carousel", f"batches of {BATCH}"


def main() -> None:
    folder = version(f"stack{INPUT_DIM}", INPUT_DIM)
    engine, model = OnnxEngine(folder / FOLDER / CELL_GRAPH), modelled(folder)
    found: dict[int, Spread] = {}
    for length in LENGTHS:
        count = max(BATCH, _STEPS // length // BATCH * BATCH)
        sequences = list(np.random.default_rng(0).standard_normal((count, length, INPUT_DIM)).astype(np.float32))
        inputs = [np.stack(batch, axis=1) for batch in batches(sequences)]
        ways = {
            CAROUSEL: lambda sequences=sequences: ride(model, sequences),
            BATCHES: lambda inputs=inputs: [engine.run(batch, _STATE) for batch in inputs],
        }
        timings = interleaved(f"equal, {length}", ways, _ROUNDS)
        found[length] = ratios(*([each.cpu for each in timings[way]] for way in (BATCHES, CAROUSEL)))
    rows = [
        report.Row(f"sequences of {length} steps each: faster than {BATCHES}", f"by CPU {spread.say('x')}")
        for length, spread in found.items()
    ]
    report.write("equal", rows, {str(length): spread.median for length, spread in found.items()}, _drawing(found))


def _drawing(found: dict[int, Spread]):
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.bar([str(length) for length in found], [spread.median for spread in found.values()], color="#d1495b")
        axes.axhline(1.0, color="#20262e", linestyle="--", linewidth=1)
        axes.set(
            title=f"Against {BATCHES}, nothing to pad", xlabel="timesteps of every sequence", ylabel="times as fast"
        )

    return draw
