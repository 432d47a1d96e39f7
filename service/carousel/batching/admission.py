"""Refuse before working: a request that would not be answered in time is told so at once, and when to come back.

This bounds seconds of work. The bytes of requests that are held are bounded by `serving/request.py`, live sequences by
`serving/sessions.py`, open calls by `transport`.
"""

import math
from typing import Protocol

from carousel.errors import Overloaded

_INTERVAL = 0.1  # seconds over which the pace is measured
_WEIGHT = 0.3  # of the newest interval
_SLOWEST = 0.02
_BACKSTOP = 0.3  # of the pace is taken off after an interval in which every deadline passed
_HALF_LIFE = 5.0  # seconds without a measurement in which half of what slowed the pace is forgotten
_MARGIN = 1.1  # of what a request is predicted to take: a deadline met by a hair is often missed
_QUEUE_MARGIN = 1.5  # of what is queued before it: a shorter queue does as much work, and forgives a slower second


class Promised(Protocol):
    """A model that has sequences."""

    @property
    def backlog(self) -> float:
        """Seconds of work that they still need, as predicted."""
        ...

    @property
    def waiting(self) -> int:
        """How many of them have no row."""
        ...


class Admission:
    """Bounds the work, in seconds, that one thread of engine calls has promised, in fair shares.

    A request is held against the work that would be done by the time its own is, if the models share the thread alike,
    and the clients of a model their model's part: all that its client has promised already, and of each other client
    and model as much, or all they have. Loop and scheduler serve in that order. So whoever asks for little is admitted
    whatever the others ask for, and where there is room for all nobody is refused.

    Predictions count engine time alone. The pace, work done in a second of wall time, is measured while sequences wait
    for rows, so that whatever else takes time (gRPC, Python, a neighbour on the machine, a wrong prediction) shows up
    in the next decision. Rows that are empty for want of demand say nothing of it. Deadlines that pass all the same
    slow the pace further: the backstop. What is not measured any more is forgotten.

    Attributes:
        pace: Seconds of predicted work that are done in a second, at most one of each lane.
    """

    def __init__(self, max_seconds: float, lanes: int = 1) -> None:
        """Promise at most `max_seconds` of work, counted at the pace of `lanes` engine calls side by side."""
        self._max_seconds = max_seconds
        self._lanes = lanes
        self._models: list[Promised] = []
        self.pace = 1.0
        self._worked = self._passed = 0.0
        self._since = math.nan
        self._seen = math.nan
        self._ended = self._late = 0

    def apart(self) -> "Admission":
        """Give another one of the same bound, for an engine with a thread of its own."""
        return Admission(self._max_seconds, self._lanes)

    def count(self, model: Promised) -> None:
        """Count a model's backlog towards the bound."""
        self._models.append(model)

    def discount(self, model: Promised) -> None:
        """Stop counting a model that has no more sequences, or runs elsewhere."""
        self._models.remove(model)
        if not any(each.waiting for each in self._models):
            self._since = math.nan  # the last ones may have been cancelled: what comes now is no time of work

    @property
    def backlog(self) -> float:
        """Seconds of wall time until everything admitted so far is done."""
        return sum([model.backlog for model in self._models]) / self.pace

    def admit(self, model: Promised, fair: float, work: float, run: float, deadline: float, now: float) -> None:
        """Let a request in, or not.

        Args:
            model: What it is for.
            fair: Seconds of the model's work that are done by the time the request is, if its clients share it alike.
            work: Seconds of the machine that the request takes; part of `fair`.
            run: Seconds that its longest sequence runs once it has started.
            deadline: Seconds on the clock of `now`; inf where there is none.
            now: Seconds.

        Raises:
            Overloaded: It would not be done before its deadline, or more than the bound would be done before it.
        """
        self.relax(now)
        ahead = fair - work + sum([min(other.backlog, fair) for other in self._models if other is not model])
        pace = self.pace if ahead > 0 else 1.0
        ahead /= pace
        if ahead > 0 and ahead + work / pace > self._max_seconds:
            raise Overloaded(
                f"{ahead:.3g} s of work are queued before it and the limit is {self._max_seconds:.3g} s "
                "(max_backlog_seconds)",
                ahead + work / pace - self._max_seconds,
            )
        needed, left = _QUEUE_MARGIN * ahead + _MARGIN * max(run, work) / pace, deadline - now
        if needed > left:
            raise Overloaded(
                f"the answer may take {needed:.3g} s and its deadline is {max(0.0, left):.3g} s away: "
                f"{ahead:.3g} s of work are queued before it",
                needed - left,
            )

    def worked(self, work: float, began: float, now: float) -> None:
        """Note that `work` seconds, as predicted, were done by `now` in a turn that `began` then.

        While sequences wait for rows, the time between two turns counts as well: it is what else the loop has to do.
        """
        waits = any(model.waiting for model in self._models)
        if waits or not math.isnan(self._since):
            self._worked += work
            self._passed += now - (began if math.isnan(self._since) else self._since)
            self._seen = now
        self._since = now if waits else math.nan
        if self._passed >= _INTERVAL:
            self.pace += _WEIGHT * (min(self._lanes, self._worked / self._passed) - self.pace)
            if self._late:
                self.pace *= 1.0 - _BACKSTOP * self._late / self._ended
            self.pace = max(_SLOWEST, self.pace)
            self._worked = self._passed = 0.0
            self._ended = self._late = 0

    def relax(self, now: float) -> None:
        """Forget by `now`, in seconds, what slowed the pace a while ago: nothing says that it still does."""
        if math.isnan(self._since) and self._seen < now:
            self.pace = 1.0 - (1.0 - self.pace) * 0.5 ** ((now - self._seen) / _HALF_LIFE)
            self._seen = now

    def ended(self, *, late: bool) -> None:
        """Note that an admitted sequence ended, and whether its deadline had passed; it matters while others wait."""
        if not math.isnan(self._since):
            self._ended += 1
            self._late += late
