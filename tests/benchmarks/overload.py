"""More than the machine can do: half, once, twice and four times its capacity, open loop, with deadlines."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tests.benchmarks import report
from tests.benchmarks.arrivals import poisson
from tests.benchmarks.h2load import durations, framed, load
from tests.benchmarks.measure import Spread
from tests.benchmarks.served import PREDICT, Served, predicts
from tests.benchmarks.workloads import predict_request, repository

STEPS = 400  # long enough that the server's capacity is some hundred calls a second, which one generator can exceed
INPUT_DIM = 4  # a forecast's: the messages are small, and the generator can keep to its times
DEADLINE = 0.5  # seconds
HOPELESS = 0.1  # seconds: what is queued at twice the capacity takes longer, so a call with this deadline is refused
OFFERED = (0.5, 1.0, 2.0, 4.0)
_MODEL = "stack4"
_SECONDS = 5.0
_PROBES = 100  # a second
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Offer:
    """What came of one stretch of load: calls a second, seconds, megabytes."""

    goodput: float
    admitted: float
    refused: float
    refusal: float
    late: int
    expired: int
    lateness: float
    resident: float


def main() -> None:
    sequence = np.random.default_rng(0).standard_normal((STEPS, INPUT_DIM)).astype(np.float32)
    body = predict_request(_MODEL, [sequence])
    found: dict[float, list[Offer]] = {times: [] for times in OFFERED}
    with Served(repository(_MODEL, INPUT_DIM)) as served:
        framed_body = framed("overload", body)
        load(served.port, PREDICT, framed_body, 400)
        capacities = []
        for round_ in range(_ROUNDS):
            # Measured anew each round: neighbours on the machine come and go.
            capacity = load(served.port, PREDICT, framed_body, 400)
            capacities.append(capacity)
            report.say("overload", f"capacity {capacity:.0f} calls/s of {STEPS} steps, closed loop")
            for number, times in enumerate(OFFERED):
                offer = _offer(served, body, framed_body, times, capacity, seed=10 * round_ + number)
                found[times].append(offer)
                report.say("overload", f"round {round_ + 1} of {_ROUNDS}, {times:g}x: {found[times][-1]}")
    write(float(np.median(capacities)), found)


def write(capacity: float, found: dict[float, list[Offer]]) -> None:
    """Say what came of it."""
    good = {times: Spread.of(offer.goodput for offer in offers) for times, offers in found.items()}
    rows = [report.Row("capacity, closed loop", f"{capacity:.0f} calls/s of {STEPS} steps")]
    for times, offers in found.items():
        p99 = Spread.of(offer.admitted for offer in offers).say(" ms", 1e3)
        refused = Spread.of(offer.refused for offer in offers).median
        came = f"{good[times].say('/s')} answered in time, {refused:.0f}/s refused; p99 of answered {p99}"
        rows.append(report.Row(f"offered {times:g}x", came))
    by_round = zip(*([offer.goodput for offer in offers] for offers in found.values()), strict=True)
    share = Spread.of(goodputs[-1] / max(goodputs) for goodputs in by_round)
    every = [offer for offers in found.values() for offer in offers]
    late = sum(offer.late for offer in every)
    refusal = Spread.of(offer.refusal for times in (2.0, 4.0) for offer in found[times])
    lateness = max(offer.lateness for offer in every)
    memory = [offer.resident for offer in every]
    first, last = found[OFFERED[-1]][0].resident, found[OFFERED[-1]][-1].resident
    rows += [
        report.Row("goodput at 4x against the best", share.say(), ">= 0.90", share.median >= 0.9),
        report.Row("answered after their deadline", str(late), "0", late == 0),
        report.Row("admitted, then expired", str(sum(offer.expired for offer in every))),
        report.Row("time to refuse, p99", refusal.say(" ms", 1e3), "< 5 ms", refusal.median < 5e-3),
        report.Row("the generator's own lateness, p99, at most", f"{1e3 * lateness:.1f} ms"),
        report.Row(
            "resident, after the first 4x and after the last",
            f"{first:.0f} MB, {last:.0f} MB; at most {max(memory):.0f} MB",
            "flat",
            last <= 1.05 * first,
        ),
    ]
    figures: dict[str, Any] = {
        "capacity": capacity,
        "offers": {str(times): [_numbers(offer) for offer in offers] for times, offers in found.items()},
    }
    report.write("overload", rows, figures, lambda figure: _draw(figure, good, found, capacity))


def _offer(served: Served, body: bytes, framed_body: Path, times: float, capacity: float, seed: int) -> Offer:
    before = served.metrics()
    with ThreadPoolExecutor() as aside:
        probes = aside.submit(_refusals, served, framed_body) if times > 1 else None
        outcomes = poisson(served.target, body, times * capacity, _SECONDS, deadline=DEADLINE, seed=seed)
    refusals = [] if probes is None else probes.result()
    after = served.metrics()
    answered = [o.latency for o in outcomes if o.code == "OK"]
    refused = sum(outcome.code == "RESOURCE_EXHAUSTED" for outcome in outcomes)
    expired = f"carousel_sequences_total/{_MODEL}/DeadlineExceeded/1"
    gone = f"carousel_sequences_total/{_MODEL}/Cancelled/1"
    # What the server says it answered, and the client did not take for an answer in time, came too late.
    late = predicts(after) - predicts(before) - len(answered) + sum(latency > DEADLINE for latency in answered)
    return Offer(
        goodput=sum(latency <= DEADLINE for latency in answered) / _SECONDS,
        admitted=_p99(answered),
        refused=refused / _SECONDS,
        refusal=_p99(refusals),
        late=late,
        expired=int(after[expired] - before[expired] + after[gone] - before[gone]),
        lateness=_p99([outcome.lateness for outcome in outcomes]),
        resident=served.resident,
    )


def _refusals(served: Served, framed_body: Path) -> list[float]:
    """Time refusals by a client that is quick itself, from when the queue is full."""
    time.sleep(1.0)
    calls = round(_PROBES * (_SECONDS - 1.5))
    return durations(served.port, PREDICT, framed_body, rate=_PROBES, calls=calls, deadline=HOPELESS)


def _p99(values: list[float]) -> float:
    return float(np.percentile(values, 99)) if values else 0.0


def _numbers(offer: Offer) -> dict[str, float]:
    return {name: getattr(offer, name) for name in Offer.__slots__}


def _draw(figure: Figure, good: dict[float, Spread], found: dict[float, list[Offer]], capacity: float) -> None:
    left, right = figure.subplots(1, 2)
    left.plot(OFFERED, [spread.median for spread in good.values()], marker="o", color="#d1495b", label="in time")
    left.plot(OFFERED, [min(times, 1) * capacity for times in OFFERED], "--", color="#9aa5b1", label="capacity")
    left.set(title="Goodput", xlabel="offered load, times capacity", ylabel="calls a second", ylim=(0, None))
    left.legend(frameon=False)
    for name, label, colour in (("admitted", "answered", "#d1495b"), ("refusal", "refused", "#2e7d6b")):
        p99 = [1e3 * Spread.of(getattr(offer, name) for offer in offers).median for offers in found.values()]
        right.plot(OFFERED, p99, marker="o", color=colour, label=label)
    right.axhline(1e3 * DEADLINE, color="#20262e", linestyle="--", linewidth=1, label="deadline")
    right.set(title="p99 latency", xlabel="offered load, times capacity", ylabel="milliseconds", yscale="log")
    right.legend(frameon=False)
