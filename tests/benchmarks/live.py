"""Live sequences: what the millionth step costs, and ten thousand of them over one stream."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import numpy as np
from matplotlib.figure import Figure

from carousel.client import AsyncClient, Client, LiveSequence, Prediction
from carousel.tensors import Floats
from tests.benchmarks import report
from tests.benchmarks.measure import Spread
from tests.benchmarks.served import Served
from tests.benchmarks.workloads import repository

PLACES = (1, 100, 1_000, 10_000, 100_000, 1_000_000)
WINDOW = 100
SEQUENCES = 10_000
_INPUT_DIM = 16
_UNITS = (64, 64)
_SAMPLES = 400  # steps timed at each place
_BULK = 20_000  # timesteps of one message on the way to the next place
_ROTATIONS = 2
_IN_FLIGHT = 256


def main() -> None:
    with Served(repository("stack2x64", _INPUT_DIM, _UNITS), "--max-message-bytes", str(256 << 20)) as served:
        with Client(served.target) as client:
            steps, windows = _places(client)
        live, unary, idle = asyncio.run(_rotation(served))
    first, last = (Spread.of(steps[place]) for place in (PLACES[0], PLACES[-1]))
    growth = last.median / first.median
    window = Spread.of(windows)
    rows = [report.Row(f"step {place:,}, alone", Spread.of(taken).say(" us", 1e6)) for place, taken in steps.items()]
    rows += [
        report.Row(f"step {PLACES[-1]:,} to step 1", f"{growth:.2f}x", "<= 1.2x", growth <= 1.2),
        report.Row(f"resending {WINDOW} steps", window.say(" us", 1e6)),
        report.Row("resending to a live step", f"{window.median / last.median:.1f}x"),
        report.Row(f"{SEQUENCES:,} live, one stream", _say(live)),
        report.Row("the same as unary calls with states", _say(unary)),
        report.Row("live to unary", f"{live[0] / unary[0]:.2f}x", "> 1x", live[0] > unary[0]),
        report.Row("memory of an idle live sequence", f"{idle / 1e3:.1f} KB", "< 10 KB", idle < 10e3),
    ]
    figures = {
        "step_seconds": {str(place): taken for place, taken in steps.items()},
        "window_seconds": windows,
        "live": {"steps_per_second": live[0], "p99_seconds": live[1]},
        "unary": {"steps_per_second": unary[0], "p99_seconds": unary[1]},
        "bytes_idle": idle,
    }
    report.write("live", rows, figures, lambda figure: _draw(figure, steps, windows))


def _places(client: Client) -> tuple[dict[int, list[float]], list[float]]:
    """Time single steps of one live sequence at each place on its way, and beside them the window sent again."""
    rng = np.random.default_rng(0)
    bulk, window = (rng.standard_normal((n, _INPUT_DIM)).astype(np.float32) for n in (_BULK, WINDOW))
    taken: dict[int, list[float]] = {}
    windows: list[float] = []
    at = 0
    with client.live("stack2x64") as sequence:
        sequence.feed(window[:1])  # the first message opens, connects and warms up
        for place in PLACES:
            while at < place - 1:
                at += _skip(sequence, bulk[: place - 1 - at])
            taken[place] = []
            for i in range(_SAMPLES):
                began = time.perf_counter()
                sequence.feed(window[i % WINDOW : i % WINDOW + 1])
                taken[place].append(time.perf_counter() - began)
                if i % 4 == 0:
                    began = time.perf_counter()
                    client.predict("stack2x64", [window])
                    windows.append(time.perf_counter() - began)
            at += _SAMPLES
            report.say("live", f"at step {place:,}")
    return taken, windows


def _skip(sequence: LiveSequence, bulk: Floats) -> int:
    sequence.feed(bulk)
    return len(bulk)


async def _rotation(served: Served) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Feed every sequence in turn, live, then unary: (steps a second, p99) of each, and the bytes of an idle one."""
    step = np.random.default_rng(1).standard_normal((1, _INPUT_DIM)).astype(np.float32)
    async with AsyncClient(served.target) as client, client.fleet(max_unanswered=_IN_FLIGHT) as fleet:
        states = [(await client.predict("stack2x64", [step], return_state=True))[0].state] * SEQUENCES
        before = served.resident
        sequences = [fleet.open("stack2x64") for _ in range(SEQUENCES)]
        await _through(lambda i: sequences[i].feed(step), 1)
        idle = (served.resident - before) * 1e6 / SEQUENCES
        report.say("live", f"{SEQUENCES:,} open")

        async def unary(i: int) -> Prediction:
            [answer] = await client.predict("stack2x64", [step], initial_state=[states[i]], return_state=True)
            states[i] = answer.state
            return answer

        return (
            await _through(lambda i: sequences[i].feed(step), _ROTATIONS),
            await _through(unary, _ROTATIONS),
            idle,
        )


async def _through(feed: Callable[[int], Awaitable[Prediction]], rotations: int) -> tuple[float, float]:
    """Feed all in rotation, so many in flight: steps a second, and the 99th percentile in seconds."""
    order = iter([i for _ in range(rotations) for i in range(SEQUENCES)])
    latencies: list[float] = []

    async def worker() -> None:
        for i in order:
            began = time.perf_counter()
            await feed(i)
            latencies.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(_IN_FLIGHT)))
    return len(latencies) / (time.perf_counter() - began), float(np.percentile(latencies, 99))


def _say(found: tuple[float, float]) -> str:
    return f"{found[0]:,.0f} steps/s, p99 {1e3 * found[1]:.0f} ms"


def _draw(figure: Figure, steps: dict[int, list[float]], windows: list[float]) -> None:
    axes = figure.subplots()
    spreads = [Spread.of(taken) for taken in steps.values()]
    low, high = ([1e6 * getattr(spread, side) for spread in spreads] for side in ("low", "high"))
    axes.fill_between(list(steps), low, high, color="#2e7d6b", alpha=0.25)
    axes.plot(list(steps), [1e6 * s.median for s in spreads], marker="o", color="#2e7d6b", label="a live step")
    axes.axhline(1e6 * Spread.of(windows).median, color="#d1495b", label=f"{WINDOW} steps sent again")
    axes.set(title="What the n-th step costs", xlabel="n", ylabel="microseconds", xscale="log", ylim=(0, None))
    axes.legend(frameon=False)
