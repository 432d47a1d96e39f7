"""Frozen copies of everything that is counted: what leaves the loop for whoever watches."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from carousel.telemetry.counters import ModelCounters, RpcCounters
from carousel.telemetry.process import Usage


class SessionReadings(NamedTuple):
    """The live sequences of one model version at one moment.

    Attributes:
        open: How many there are.
        oldest_idle_seconds: Idle time of the one that is idle longest.
        state_bytes: Of all their states.
    """

    open: int = 0
    oldest_idle_seconds: float = 0.0
    state_bytes: int = 0

    def joined(self, other: "SessionReadings") -> "SessionReadings":
        """Add another worker's."""
        return SessionReadings(
            self.open + other.open,
            max(self.oldest_idle_seconds, other.oldest_idle_seconds),
            self.state_bytes + other.state_bytes,
        )


@dataclass(frozen=True, slots=True)
class ModelReadings:
    """One model version at one moment. Times are in seconds, sizes in bytes."""

    name: str
    version: int
    engine: str
    fallback: bool
    batch_invariant: bool | None
    counters: ModelCounters
    running: int
    waiting: int
    backlog_seconds: float
    sessions: SessionReadings

    def past(self) -> "ModelReadings":
        """Keep what was counted; nothing is here any more."""
        return replace(self, running=0, waiting=0, backlog_seconds=0.0, sessions=SessionReadings())

    def joined(self, other: "ModelReadings") -> "ModelReadings":
        """Add another worker's numbers of the same version."""
        return replace(
            self,
            fallback=self.fallback or other.fallback,
            batch_invariant=None if self.batch_invariant is None else self.batch_invariant and other.batch_invariant,
            counters=self.counters + other.counters,
            running=self.running + other.running,
            waiting=self.waiting + other.waiting,
            backlog_seconds=self.backlog_seconds + other.backlog_seconds,
            sessions=self.sessions.joined(other.sessions),
        )


@dataclass(frozen=True, slots=True)
class Readings:
    """One server process, or several together, at one moment.

    Attributes:
        rpcs: By full method name, as /carousel.v1.InferenceService/Predict.
        loads: Of model versions, by outcome: loaded, rejected, stuck.
        open_calls: Calls accepted and not yet over.
        pace: Seconds of predicted work done in a second of wall time, while there was work.
        usage: Of the machine.
        unreadable: Folders of the repository that cannot be read.
        look_seconds: Since the repository was last looked through.
    """

    serving: bool
    models: tuple[ModelReadings, ...]
    rpcs: dict[str, RpcCounters]
    loads: Counter[str]
    open_calls: int
    pace: float
    usage: Usage
    unreadable: int = 0
    look_seconds: float = 0.0

    @classmethod
    def nothing(cls, usage: Usage, *, serving: bool) -> "Readings":
        """Say what a process counts that supervises those that do `serving`, or do not."""
        return cls(serving, models=(), rpcs={}, loads=Counter(), open_calls=0, pace=1.0, usage=usage)

    def past(self) -> "Readings":
        """Keep what was counted by a process that is no more."""
        models = tuple(m.past() for m in self.models)
        usage = self.usage.past()
        return replace(
            self, serving=True, models=models, open_calls=0, pace=1.0, usage=usage, unreadable=0, look_seconds=0.0
        )

    @classmethod
    def together(cls, readings: Iterable["Readings"]) -> "Readings":
        """Add up the readings of several workers."""
        first, *others = readings
        models = {(m.name, m.version): m for m in first.models}
        rpcs = dict(first.rpcs)
        for other in others:
            for m in other.models:
                held = models.get((m.name, m.version))
                models[m.name, m.version] = m if held is None else held.joined(m)
            for method, counters in other.rpcs.items():
                rpcs[method] = rpcs[method] + counters if method in rpcs else counters
        processes = [first, *others]
        return cls(
            all(each.serving for each in processes),
            tuple(models[key] for key in sorted(models)),
            rpcs,
            sum((each.loads for each in processes), Counter()),
            sum(each.open_calls for each in processes),
            min(each.pace for each in processes),
            Usage(*map(sum, zip(*[each.usage for each in processes], strict=True))),
            max(each.unreadable for each in processes),
            max(each.look_seconds for each in processes),
        )
