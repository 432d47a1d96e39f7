"""What a run found, as JSON, and as tables for people: one for each measurement, a line for each peer."""

import json
from collections.abc import Iterator
from typing import Any

from tests.benchmarks.measure import Spread, ratios
from tests.benchmarks.peers.shapes import SHAPES, Shape
from tests.benchmarks.report import FOLDER

_JSON = FOLDER / "peers.json"


def write(found: dict[str, Any]) -> None:
    """Keep what a run found."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    _JSON.write_text(json.dumps(found, indent=1) + "\n")


def read() -> dict[str, Any]:
    """Give what the last run found."""
    found: dict[str, Any] = json.loads(_JSON.read_text())
    return found


def tables(found: dict[str, Any]) -> str:
    """Write what a run found as Markdown: medians over its rounds, with quartiles."""
    blocks = []
    for shape in SHAPES:
        lines = list(_lines(found["peers"], shape))
        if lines:
            blocks.append("\n".join([f"### {shape.title}", *_HEAD, *lines]))
    starts = [
        "### Start, memory, size",
        "| | start to first answer, s | CPU of it, s | resident after the run, MB | environment on disk, MB |",
        "|---|---|---|---|---|",
    ]
    for name, peer in found["peers"].items():
        installed = "" if peer["installed_megabytes"] is None else f"{peer['installed_megabytes']:,.0f}"
        if not peer["resident_megabytes"]:
            continue  # it ended during the rounds
        cold, cpu = (Spread.of(peer[field]).say() for field in ("cold_seconds", "cold_cpu_seconds"))
        starts.append(f"| {name} | {cold} | {cpu} | {peer['resident_megabytes']:,.0f} | {installed} |")
    blocks.append("\n".join(starts))
    if found["missing"]:
        blocks.append("\n".join(f"- {name} was left out: {why}" for name, why in found["missing"].items()))
    return "\n\n".join(blocks) + "\n"


_HEAD = (
    "| | right answers/s | Carousel's times as many | server CPU, us a call | p50, ms | p99, ms | not right |",
    "|---|---|---|---|---|---|---|",
)


def _lines(peers: dict[str, Any], shape: Shape) -> Iterator[str]:
    measured = {peer: each["measured"].get(shape.key) for peer, each in peers.items()}
    measured = {peer: each for peer, each in measured.items() if each and each["rate"]}
    ours = next(iter(measured.values()), None) if next(iter(peers), "") == "Carousel" else None
    for peer, each in measured.items():
        rate, times = Spread.of(each["rate"]), ""
        if ours and each is not ours and min(each["rate"]) and not shape.share:
            times = ratios(ours["rate"], each["rate"]).say("x")
        tail = _spread(each["p99"], 1e3)
        if each["short_p99"]:
            tail += f"; short ones {_spread(each['short_p99'], 1e3)}"
        cells = (
            f"{rate.median:,.0f} ({rate.low:,.0f} to {rate.high:,.0f})",
            *(times, _spread(each["cpu"], 1e6), _spread(each["p50"], 1e3), tail, _faults(each)),
        )
        yield f"| {peer} | {' | '.join(cells)} |"


def _spread(values: list[float], scale: float) -> str:
    if not values:
        return ""
    spread = Spread.of(values)
    low, median, high = (_short(scale * each) for each in (spread.low, spread.median, spread.high))
    return f"{median} ({low} to {high})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _faults(measured: dict[str, Any]) -> str:
    said = [f"{measured['wrong']:,} wrong"] if measured["wrong"] else []
    said += [f"{count:,} {code}" for code, count in measured["failed"].items()]
    return f"**{', '.join(said)}** of {measured['calls']:,}" if said else "0"
