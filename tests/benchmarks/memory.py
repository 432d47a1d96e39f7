"""Ten million timesteps through one serving process: what it holds after the first million, and at the end."""

from matplotlib.figure import Figure

from tests.benchmarks import report
from tests.benchmarks.h2load import framed, load
from tests.benchmarks.served import PREDICT, Served
from tests.benchmarks.workloads import lognormal, predict_request, repository

MILLIONS = 10
_INPUT_DIM = 4
_SEQUENCES = 64  # a request
_BODIES = 8
_STEPS = "carousel_steps_total/small/1"


def main() -> None:
    requests = [lognormal(_SEQUENCES, _INPUT_DIM, seed) for seed in range(_BODIES)]
    bodies = [framed(f"memory{i}", predict_request("small", request)) for i, request in enumerate(requests)]
    # Counted out so that every pass over the bodies is a tenth of a million or so.
    calls = max(1, round(1e6 / sum(len(steps) for request in requests for steps in request)))
    held: list[tuple[float, float]] = []
    with Served(repository("small", _INPUT_DIM, (8,))) as served:
        while not held or held[-1][0] < MILLIONS * 1e6:
            for body in bodies:
                load(served.port, PREDICT, body, calls, in_flight=16)
            held.append((served.metrics()[_STEPS], served.resident))
            report.say("memory", f"{held[-1][0] / 1e6:.1f} million steps, {held[-1][1]:.1f} MB")
    first = next(megabytes for steps, megabytes in held if steps >= 1e6)
    last = held[-1][1]
    change = last / first - 1
    came = f"{last:.1f} MB after {held[-1][0] / 1e6:.1f} million steps, {first:.1f} MB after the first: {change:+.1%}"
    rows = [report.Row("resident", came, "within 5%", abs(change) <= 0.05)]
    report.write("memory", rows, {"steps_and_megabytes": held}, lambda figure: _draw(figure, held))


def _draw(figure: Figure, held: list[tuple[float, float]]) -> None:
    axes = figure.subplots()
    axes.plot([steps / 1e6 for steps, _ in held], [megabytes for _, megabytes in held], marker="o", color="#d1495b")
    axes.set(title="Memory of one process", xlabel="million timesteps", ylabel="megabytes", ylim=(0, None))
