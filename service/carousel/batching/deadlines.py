"""The sequences that have a deadline, the next one first.

What missed it is dropped by the scheduler, before each tick: it leaves with DeadlineExceeded. So does what could not be
done in time even if it ran alone. What a client gave up is cancelled by its call, with no answer.
"""

import heapq
import math

from carousel.batching.sequence import Sequence

_SLACK = 64  # entries of ended sequences before the heap is swept

_Entry = tuple[float, int, Sequence]
"""A deadline, and its sequence's number: no two entries are equal, so the sequences themselves are never compared."""


class Deadlines:
    """The sequences that have a deadline, the next one first."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[_Entry] = []

    def watch(self, sequence: Sequence, live: int) -> None:
        """Note a deadline; `live` bounds how many entries of ended sequences may be kept."""
        if sequence.deadline == math.inf:
            return
        if len(self._heap) > 2 * live + _SLACK:
            self._heap = [entry for entry in self._heap if not entry[2].over]
            heapq.heapify(self._heap)
        heapq.heappush(self._heap, (sequence.deadline, sequence.number, sequence))

    def expired(self, now: float) -> list[Sequence]:
        """Take out those whose deadline passed before they ended."""
        late = []
        while self._heap and self._heap[0][0] <= now:
            sequence = heapq.heappop(self._heap)[2]
            if not sequence.over:
                late.append(sequence)
        return late
