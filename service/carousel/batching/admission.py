"""Refuse before working: a request that would not be answered in time is told so at once, and when to come back."""

import math
from collections.abc import Callable

from carousel.errors import Overloaded

_INTERVAL = 0.1  # seconds over which the pace is measured
_WEIGHT = 0.3  # of the newest interval
_SLOWEST = 0.02
_BACKSTOP = 0.7  # of the pace is left after an interval in which deadlines passed
_MARGIN = 1.1  # of what a request is predicted to take: a deadline met by a hair is often missed
_QUEUE_MARGIN = 1.5  # of what is queued before it: a shorter queue does as much work, and forgives a slower second


class Admission:
    """Bounds the work, in seconds, that one loop has promised.

    Predictions count engine time alone. The pace, work done in a second of wall time while there was work, is measured
    all along, so that whatever else takes time (gRPC, Python, a neighbour on the machine, a wrong prediction) shows up
    in the next decision. Deadlines that pass all the same slow the pace further: the backstop. While nothing is queued
    the pace refuses no request: where no work is let in, no pace is measured, and one once lost would not come back.
    """

    def __init__(self, max_seconds: float) -> None:
        """Promise at most `max_seconds` of work, counted at the pace."""
        self._max_seconds = max_seconds
        self._backlogs: list[Callable[[], float]] = []
        self.pace = 1.0
        self._worked = self._passed = 0.0
        self._since = math.nan
        self._late = False

    def count(self, backlog: Callable[[], float]) -> None:
        """Count a model's backlog, in seconds, towards the bound."""
        self._backlogs.append(backlog)

    def discount(self, backlog: Callable[[], float]) -> None:
        """Stop counting a model that was unloaded."""
        self._backlogs.remove(backlog)

    @property
    def backlog(self) -> float:
        """Seconds of wall time until everything admitted so far is done."""
        return sum([backlog() for backlog in self._backlogs]) / self.pace

    def admit(self, work: float, run: float, deadline: float, now: float) -> None:
        """Let a request in, or not.

        Args:
            work: Seconds of the machine that it takes.
            run: Seconds that its longest sequence runs once it has started.
            deadline: Seconds on the clock of `now`; inf where there is none.
            now: Seconds.

        Raises:
            Overloaded: It would not be done before its deadline, or the promised work would exceed the bound.
        """
        ahead = self.backlog
        pace = self.pace if ahead else 1.0
        if ahead and ahead + work / pace > self._max_seconds:
            raise Overloaded(
                f"{ahead:.3g} s of work are queued and the limit is {self._max_seconds:.3g} s",
                ahead + work / pace - self._max_seconds,
            )
        needed, left = _QUEUE_MARGIN * ahead + _MARGIN * max(run, work) / pace, deadline - now
        if needed > left:
            raise Overloaded(
                f"the answer may take {needed:.3g} s and its deadline is {max(0.0, left):.3g} s away: "
                f"{ahead:.3g} s of work are queued",
                needed - left,
            )

    def worked(self, work: float, began: float, now: float) -> None:
        """Note that `work` seconds, as predicted, were done by `now` in a turn that `began` then.

        While there is more to do, the time between two turns counts as well: it is what else the loop has to do.
        """
        self._worked += work
        self._passed += now - (began if math.isnan(self._since) else self._since)
        self._since = now if self.backlog else math.nan
        if self._passed >= _INTERVAL:
            self.pace += _WEIGHT * (min(1.0, self._worked / self._passed) - self.pace)
            if self._late:
                self.pace *= _BACKSTOP
            self.pace = max(_SLOWEST, self.pace)
            self._worked = self._passed = 0.0
            self._late = False

    def expired(self) -> None:
        """Note that a deadline passed on admitted work."""
        self._late = True
