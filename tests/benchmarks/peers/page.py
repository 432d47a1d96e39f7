"""docs/benchmarks.md, written from one run's figures: nobody chooses which of them stand there."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.measure import ratios
from tests.benchmarks.peers.shapes import SHAPES
from tests.benchmarks.peers.table import tables
from tests.benchmarks.peers.workloads import SHORT, TOLERANCE

PAGE = Path(__file__).parents[3] / "docs" / "benchmarks.md"

_OURS = "Carousel"


def page(found: dict[str, Any], names: Iterable[str]) -> str:
    """Write the page of a run of all peers of these names.

    Raises:
        ValueError: The run left some of them out for no reason, or Carousel could not run.
    """
    unasked = [name for name in names if name not in found["peers"] | found["missing"]]
    if unasked or _OURS not in found["peers"]:
        raise ValueError(f"the last run had no {', '.join(unasked) or _OURS}: run all peers before the page is written")
    load = f"{np.median(found['load']):.1f} (median), niceness {found['niceness']}"
    return f"""# Benchmarks
Written by `make bench-peers` from one run, wins and losses alike; not edited by hand.

{found["machine"]}; {found["began"]}, {found["minutes"]:.0f} minutes.
Load average during the rounds: {load}.
A run keeps one server and the generator busy, so what exceeds 2 was other work on the machine. It lowers the calls a
second and stretches the times of all servers, but not all alike: one with more busy threads and processes gets more of
a processor that is shared.
**What counts is the processor time a call, then the ratios inside this run**, taken round by round. Calls a second and
milliseconds are others on another machine, or on a quiet one: run it on yours.

## How it was measured
- {found["rounds"]} rounds after one that is not counted. In each round every measurement is made on one server after
  the other, {found["seconds"]:g} s each, so that a busy neighbour disturbs all. Medians over the rounds, with quartiles
  in brackets.
- One generator in Python, a process of its own on the same cores. Closed loop: each stream asks again when it has its
  answer. All servers get the same bytes over gRPC: the Open Inference Protocol with raw contents.
- Every answer is compared with what ONNX Runtime gives for its sequence alone, to {TOLERANCE:g}. Only right answers
  with the status OK count; "not right" names the others. Short sequences are those of up to {SHORT} timesteps.
- Server CPU is of all processes of a server, from /proc, divided by all calls. Memory is resident, of all its
  processes, with what they share counted in each. The first answer is counted from the start of the process, and each
  server was started once before.
- Every server has the same models with the same weights; all but those with TensorFlow run our cell graph, which needs
  no padding. Their settings stand [below](#settings), their programs in `tests/benchmarks/peers/`.

## Where another server was ahead
The median of its ratio to Carousel with one worker process, with quartiles: calls a second above 1, all else below.
Calls at random are not compared: each server got them at a rate of its own.

| | by | ahead |
|---|---|---|
{chr(10).join(_losses(found["peers"]))}

## Figures
"Carousel's times as many" is the calls a second of Carousel with one worker process, divided by the server's.

{tables(found)}
## Settings
{chr(10).join(_settings(found["peers"]))}
"""


def _losses(peers: dict[str, Any]) -> Iterator[str]:
    """Name each measurement in which a server of another kind was ahead of ours, the furthest first."""
    others = [name for name in peers if not name.startswith(_OURS)]
    for shape in SHAPES:
        ours = peers[_OURS]["measured"].get(shape.key, {})
        for what, (field, better) in shape.judged.items():
            ahead = []
            for name in others:
                theirs = peers[name]["measured"].get(shape.key, {})
                if not theirs.get(field) or len(theirs[field]) != len(ours.get(field, [])):
                    continue
                times = ratios(theirs[field], ours[field])
                if better * (times.median - 1) > 0:
                    ahead.append((times.median, f"{name} {times.say('x')}"))
            ordered = ", ".join(said for _, said in sorted(ahead, reverse=better > 0))
            if ordered:
                yield f"| {shape.title} | {what} | {ordered} |"
    for what, field in (
        ("Start to first answer", "cold_seconds"),
        ("CPU to first answer", "cold_cpu_seconds"),
        ("Memory", "resident_megabytes"),
    ):
        values = {name: float(np.median(peers[name][field])) for name in (_OURS, *others)}
        times_ours = sorted((each / values[_OURS], name) for name, each in values.items())
        ordered = ", ".join(f"{name} {times:.2g}x" for times, name in times_ours if 0 < times < 1)
        if ordered:
            yield f"| Start, memory | {what} | {ordered} |"


def _settings(peers: dict[str, Any]) -> Iterator[str]:
    for name, peer in peers.items():
        packages = f"`{' '.join(peer['pinned'])}`; " if peer["pinned"] else ""
        yield f"- {name}: {packages}{peer['settings']}"
