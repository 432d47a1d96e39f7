"""What is counted: plain numbers that the loop adds to, and frozen copies that leave it."""

import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, Self

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
POWERS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)


class Exemplar(NamedTuple):
    """One value that was counted, and the trace to follow it by."""

    trace: str
    value: float
    at: float  # seconds since 1970


class Histogram:
    """Counts of values by upper bound, and their sum. The last count is of those above every bound.

    Attributes:
        exemplars: By bucket: the newest value that had a trace.
    """

    __slots__ = ("bounds", "counts", "exemplars", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        self.exemplars: dict[int, Exemplar] = {}

    def add(self, value: float, trace: str = "", count: int = 1) -> None:
        """Count a value so many times, of a trace if it has one."""
        bucket = bisect_left(self.bounds, value)
        self.counts[bucket] += count
        self.total += count * value
        if trace:
            self.exemplars[bucket] = Exemplar(trace, value, time.time())

    def copy(self) -> Self:
        """Copy what was counted so far."""
        same = type(self)(self.bounds)
        same.counts, same.total, same.exemplars = self.counts.copy(), self.total, self.exemplars.copy()
        return same

    def __add__(self, other: Self) -> Self:
        """Count two workers' values together."""
        both = self.copy()
        both.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        both.total += other.total
        for bucket, theirs in other.exemplars.items():
            ours = both.exemplars.setdefault(bucket, theirs)
            if theirs.at > ours.at:
                both.exemplars[bucket] = theirs
        return both


@dataclass(slots=True)
class ModelCounters:
    """What one model version did since it was loaded. Work and waits are in seconds."""

    sequences: Counter[str] = field(default_factory=Counter)  # by outcome: done, or an error's name
    requests: int = 0  # answered; a message of a live sequence is one
    requests_failed: int = 0
    requests_ns: int = 0
    requests_failed_ns: int = 0
    seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))  # of all requests that were let in
    refused: Counter[str] = field(default_factory=Counter)  # by reason
    steps: int = 0
    padded_steps: int = 0
    predicted_seconds: float = 0.0
    engine_seconds: float = 0.0
    wait: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    run: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    ticks: Counter[int] = field(default_factory=Counter)  # by rows
    ticks_ns: Counter[int] = field(default_factory=Counter)  # by rows
    tick_steps: Histogram = field(default_factory=lambda: Histogram(POWERS))
    sessions_opened: int = 0
    sessions_closed: Counter[str] = field(default_factory=Counter)  # by reason

    @property
    def rows(self) -> Histogram:
        """Rows a tick."""
        histogram = Histogram(POWERS)
        for rows, ticks in self.ticks.items():
            histogram.add(rows, count=ticks)
        return histogram

    def ticked(self, rows: int, steps: int, seconds: float, predicted: float) -> None:
        """Count a tick of `steps` timesteps of `rows` rows that took so long, and what it was predicted to take."""
        self.steps += rows * steps
        self.ticks[rows] += 1
        self.ticks_ns[rows] += round(seconds * 1e9)
        self.tick_steps.add(steps)
        self.predicted_seconds += predicted
        self.engine_seconds += seconds

    def done(self, waited: float, ran: float, trace: str) -> None:
        """Count a sequence that is done: seconds until its first tick, and from there to the end."""
        self.sequences["done"] += 1
        self.wait.add(waited, trace)
        self.run.add(ran, trace)

    def answered(self, seconds: float, *, failed: bool) -> None:
        """Count a request that was let in and is over, and how long that took."""
        nanoseconds = round(seconds * 1e9)
        self.seconds.add(seconds)
        if failed:
            self.requests_failed += 1
            self.requests_failed_ns += nanoseconds
        else:
            self.requests += 1
            self.requests_ns += nanoseconds

    def copy(self) -> Self:
        """Copy what was counted so far. The loop waits for it, and copy.deepcopy takes ten times as long."""
        return type(self)(*[_copied(getattr(self, f.name)) for f in fields(self)])

    def __add__(self, other: Self) -> Self:
        """Count two workers' copies of the model together."""
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(slots=True)
class RpcCounters:
    """What one rpc did since the server started. `kind` is unary or bidi_stream, as stock dashboards say."""

    kind: str
    started: int = 0
    handled: Counter[str] = field(default_factory=Counter)  # by gRPC status name
    seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))

    def copy(self) -> Self:
        """Copy what was counted so far."""
        return type(self)(self.kind, self.started, self.handled.copy(), self.seconds.copy())

    def __add__(self, other: Self) -> Self:
        """Count two workers together."""
        return type(self)(
            self.kind, self.started + other.started, self.handled + other.handled, self.seconds + other.seconds
        )


def _copied(counted: Any) -> Any:
    return counted.copy() if isinstance(counted, Counter | Histogram) else counted
