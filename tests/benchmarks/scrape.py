"""What being scraped costs a server: its processor time, and how long its loop stands still meanwhile."""

import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tests.benchmarks import report
from tests.benchmarks.h2load import endless, framed
from tests.benchmarks.measure import Spread
from tests.benchmarks.served import Served, Watched
from tests.benchmarks.workloads import gathered, predict_request, version

# As Prometheus asks.
_FORMS = {"text": "text/plain;version=0.0.4", "OpenMetrics": "application/openmetrics-text;version=1.0.0"}
_EVERY = {"not scraped": "", **_FORMS}
_ROUNDS = 3
_SCRAPES = 10  # a round, one a second
_FEW, _MANY = "3 models", 100


def main() -> None:
    three = {"stack64": version("stack64", 64), "vowels": version("vowels", 12), "small": version("small", 4, (8,))}
    few = gathered("three", three)
    many = gathered("hundred", {f"small{i}": three["small"] for i in range(_MANY)})
    cpu = {_FEW: _costs(few), f"{_MANY} models": _costs(many)}
    rounds = _rounds(few)
    rows = []
    for models, costs in cpu.items():
        for form, seconds in costs.items():
            spread = Spread.of(seconds)
            share = spread.median / 15
            came = f"{spread.say(' ms', 1e3)}: {share:.2%} of a core every 15 s, {15 * share:.2%} every second"
            target = ("< 1% every 15 s", share < 0.01) if models == _FEW else ()
            rows.append(report.Row(f"CPU a scrape, {models}, {form}", came, *target))
    for form, lasted in rounds.items():
        _, most, longest = (Spread.of(each).median for each in zip(*lasted, strict=True))
        came = f"{longest:.1f} ms; 99.9% are under {most:.1f} ms"
        rows.append(report.Row(f"longest round of the loop under load, {form}", came))
    figures: dict[str, Any] = {"cpu_seconds_a_scrape": cpu, "round_milliseconds": rounds}
    report.write("scrape", rows, figures, lambda figure: _draw(figure, cpu, rounds))


def _costs(repository: Path) -> dict[str, list[float]]:
    """Seconds of the server's processor time a scrape, each round's idle seconds taken off."""
    costs: dict[str, list[float]] = {form: [] for form in _FORMS}
    with Served(repository) as served:
        for accept in _FORMS.values():
            _scrape(served, accept)
        for round_ in range(1, _ROUNDS + 1):
            took = {}
            for form, accept in _EVERY.items():
                began = served.cpu
                for _ in range(_SCRAPES):
                    _scrape(served, accept)
                    time.sleep(1)
                took[form] = served.cpu - began
            for form in _FORMS:
                costs[form].append((took[form] - took["not scraped"]) / _SCRAPES)
            report.say("scrape", f"{repository.name}: round {round_} of {_ROUNDS}")
    return costs


def _rounds(repository: Path) -> dict[str, list[tuple[float, ...]]]:
    """Milliseconds of the loop's rounds under load, scraped every second or not: median, 99.9th percentile, longest."""
    rng = np.random.default_rng(0)
    sequences = [rng.standard_normal((50, 64)).astype(np.float32)]
    body = framed("scrape", predict_request("stack64", sequences))
    lasted: dict[str, list[tuple[float, ...]]] = {form: [] for form in _EVERY}
    for round_, (form, accept) in itertools.product(range(1, _ROUNDS + 1), _EVERY.items()):
        server = Watched("tests.benchmarks.rounds", str(repository))
        with endless(server.port, body, in_flight=16):
            for _ in range(_SCRAPES):
                _scrape(server, accept)
                time.sleep(1)
        lasted[form].append(tuple(map(float, server.end().split())))
        report.say("scrape", f"{form}: round {round_} of {_ROUNDS}")
    return lasted


def _scrape(server: Watched, accept: str) -> None:
    if accept:
        server.scrape(**{"Accept": accept, "Accept-Encoding": "gzip"})


def _draw(figure: Figure, cpu: dict[str, dict[str, list[float]]], rounds: dict[str, list[tuple[float, ...]]]) -> None:
    left, right = figure.subplots(1, 2)
    names = [f"{models}, {form}" for models, costs in cpu.items() for form in costs]
    medians = [1e3 * Spread.of(seconds).median for costs in cpu.values() for seconds in costs.values()]
    left.barh(names, medians, color=["#9aa5b1", "#2e7d6b"] * len(cpu))
    left.bar_label(left.containers[0], fmt="%.0f ms", padding=4)
    left.set(title="Processor time a scrape", xlabel="milliseconds", xlim=(0, 1.25 * max(medians)))
    left.invert_yaxis()
    longest = [[each[2] for each in lasted] for lasted in rounds.values()]
    right.boxplot(longest, tick_labels=list(rounds))
    right.set(title="Longest round of the loop in ten seconds of load", ylabel="milliseconds", ylim=(0, None))
