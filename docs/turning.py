"""Draws docs/turning.svg from events of the real scheduler, and of padded batches of the same sequences beside it.

Both have eight rows and an engine whose every step takes as long; the unit of time is such a step. So the picture is
the same on every machine, and `make check` compares it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carousel.batching import Scheduler, Sequence
from carousel.testing import FakeEngine, flat_costs

PICTURE = Path(__file__).with_suffix(".svg")

_ROWS = 8
_SEQUENCES = 44
_MEAN_GAP = 5.2  # steps between two arrivals, on average: seven of ten row-steps are asked for
_TICK = 8  # steps

_LEFT, _WIDTH, _ROW, _TOP = 16, 860, 13, 48  # pixels; a panel is its title and its rows
_PANEL = _TOP + _ROWS * _ROW
_COLOURS = ("#2e7d6b", "#3f6fb5", "#d1495b", "#c98a1b", "#7a5195", "#4b9cb0")
_PADDING = "#d9dee4"


@dataclass(frozen=True, slots=True)
class Ride:
    """A stretch of one sequence in one row: useful steps, and then padding up to `padded`."""

    sequence: int
    row: int
    begin: int
    end: int
    padded: int


def arrivals() -> list[tuple[int, int]]:
    """Draw when each sequence comes, in steps, and how many timesteps it has: lognormal, 3 to 120."""
    chance = np.random.default_rng(20)
    lengths = np.clip(chance.lognormal(2.9, 0.9, _SEQUENCES), 3, 120).astype(int)
    comes = np.cumsum(chance.exponential(_MEAN_GAP, _SEQUENCES)).astype(int)
    return list(zip(comes.tolist(), lengths.tolist(), strict=True))


def carousel(coming: list[tuple[int, int]]) -> Iterator[Ride]:
    """Run the scheduler: who steps on and off when. Each answer is checked: the sum of its inputs."""
    costs = flat_costs(_ROWS, _TICK)
    scheduler, engine, second = Scheduler(costs, 1), FakeEngine(), costs.step_seconds(1)
    names: dict[Sequence, int] = {}
    rows: dict[Sequence, int] = {}
    now = 0
    while len(names) < len(coming) or scheduler.live:
        while len(names) < len(coming) and coming[len(names)][0] <= now:
            sequence = Sequence(np.ones((coming[len(names)][1], 1), np.float32), lambda _: None)
            names[sequence] = len(names)
            scheduler.add(sequence, now * second)
        batch = scheduler.schedule(now * second)
        if batch is None:
            now = coming[len(names)][0]
            continue
        rows = {sequence: row for sequence, row in rows.items() if sequence in batch.sequences}
        for sequence in batch.sequences:
            if sequence not in rows:
                rows[sequence] = min(set(range(_ROWS)) - set(rows.values()))
            yield Ride(names[sequence], rows[sequence], now, now + batch.steps, now + batch.steps)
        now += batch.steps
        scheduler.complete(batch, *engine.run(batch.inputs(), batch.state), now * second)
        for sequence in scheduler.ended():
            assert sequence.output is not None
            assert sequence.output.item() == sequence.timesteps


def padded(coming: list[tuple[int, int]]) -> Iterator[Ride]:
    """Take what waits, at most a batch of it; all of a batch is answered when its longest sequence is done."""
    now = taken = 0
    while taken < len(coming):
        now = max(now, coming[taken][0])
        batch = [i for i in range(taken, min(taken + _ROWS, len(coming))) if coming[i][0] <= now]
        longest = max(coming[i][1] for i in batch)
        for row, i in enumerate(batch):
            yield Ride(i, row, now, now + coming[i][1], now + longest)
        now += longest
        taken += len(batch)


def written() -> dict[Path, str]:
    """Draw."""
    coming = arrivals()
    panels = {"Padded batches": list(padded(coming)), "Carousel": _joined(list(carousel(coming)))}
    last = max(ride.padded for rides in panels.values() for ride in rides)
    scale = (_WIDTH - 2 * _LEFT) / last
    height = 2 * _PANEL + 44
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" role="img">',
        "<title>The same sequences in padded batches and in Carousel</title>",
        f'<rect width="{_WIDTH}" height="{height}" rx="6" fill="#fff"/>',
    ]
    for number, (title, rides) in enumerate(panels.items()):
        top = number * _PANEL + 8
        lines.append(f'<text x="{_LEFT}" y="{top + 22}" font-size="15" font-weight="bold">{title}</text>')
        said = _said(coming, rides)
        lines.append(f'<text x="{_WIDTH - _LEFT}" y="{top + 22}" font-size="13" text-anchor="end">{said}</text>')
        for ride in rides:
            lines += _drawn(ride, top + 32 + ride.row * _ROW, scale)
    caption = f"{_SEQUENCES} sequences of 3 to 120 timesteps, eight rows, time from left to right; grey is padding"
    lines.append(f'<text x="{_LEFT}" y="{height - 14}" font-size="12" fill="#556">{caption}</text>')
    return {PICTURE: "\n".join([*lines, "</svg>", ""])}


def _joined(rides: list[Ride]) -> list[Ride]:
    """Make one stretch of ticks that follow each other in one row."""
    joined: list[Ride] = []
    last: dict[int, int] = {}  # by sequence, its place in `joined`
    for ride in rides:
        place = last.get(ride.sequence)
        before = None if place is None else joined[place]
        if place is not None and before is not None and (before.row, before.end) == (ride.row, ride.begin):
            joined[place] = Ride(ride.sequence, ride.row, before.begin, ride.end, ride.padded)
        else:
            last[ride.sequence] = len(joined)
            joined.append(ride)
    return joined


def _said(coming: list[tuple[int, int]], rides: list[Ride]) -> str:
    useful = sum(ride.end - ride.begin for ride in rides)
    padding = sum(ride.padded - ride.end for ride in rides)
    answered = {ride.sequence: ride.padded for ride in rides}
    waits = np.mean([answered[i] - comes for i, (comes, _) in enumerate(coming)])
    return f"{padding / (useful + padding):.0%} of the work is padding; an answer after {waits:.0f} steps on average"


def _drawn(ride: Ride, top: int, scale: float) -> list[str]:
    parts = [(ride.begin, ride.end, _COLOURS[ride.sequence % len(_COLOURS)]), (ride.end, ride.padded, _PADDING)]
    return [
        f'<rect x="{_LEFT + begin * scale:.1f}" y="{top}" width="{(end - begin) * scale - 0.6:.1f}" '
        f'height="{_ROW - 2}" fill="{colour}"/>'
        for begin, end, colour in parts
        if end > begin
    ]


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text)
