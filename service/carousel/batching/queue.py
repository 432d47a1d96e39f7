"""The sequences that wait, the soonest due first."""

import heapq
from collections.abc import Iterator

from carousel.batching.sequence import Sequence

_Entry = tuple[float, int, Sequence]
"""When it is due, and its number: no two entries are equal, so the sequences themselves are never compared."""

_SLACK = 64  # entries that may be stale before a heap is swept


class Queue:
    """Heaps of waiting sequences, one for each `kind`: only sequences of one kind can share a batch.

    A cancelled sequence leaves its entry behind and is passed over; sweeping keeps such entries fewer than the rest.
    """

    __slots__ = ("_gone", "_heaps", "_size")

    def __init__(self) -> None:
        self._heaps: dict[int, list[_Entry]] = {}
        self._size = 0
        self._gone = 0

    def push(self, sequence: Sequence, kind: int = 0) -> None:
        """Let a sequence wait among its kind, by when it is due now."""
        heapq.heappush(self._heaps.setdefault(kind, []), (sequence.due, sequence.number, sequence))
        self._size += 1

    def __iter__(self) -> Iterator[Sequence]:
        """Go through every sequence that waits, in no order; cancelled ones may be among them."""
        return (entry[-1] for heap in self._heaps.values() for entry in heap)

    def __bool__(self) -> bool:
        """Whether there is an entry."""
        return self._size > 0

    def head(self, kind: int | None = None) -> Sequence | None:
        """Look at the soonest due of all, or of a kind; None when none waits."""
        if kind is None and len(self._heaps) != 1:
            heads = [head for each in list(self._heaps) if (head := self._head(each)) is not None]
            return min(heads)[-1] if heads else None
        (only,) = self._heaps if kind is None else (kind,)
        entry = self._head(only)
        return None if entry is None else entry[-1]

    def pop(self, kind: int = 0) -> Sequence | None:
        """Take out the soonest due of a kind; None when none waits."""
        head = self._head(kind)
        if head is None:
            return None
        heapq.heappop(self._heaps[kind])
        self._size -= 1
        return head[-1]

    def forget(self) -> None:
        """Note that one of the waiting was cancelled."""
        self._gone += 1
        if self._gone > self._size / 2 + _SLACK:
            for kind, heap in list(self._heaps.items()):
                stay = [entry for entry in heap if not entry[-1].gone]
                heapq.heapify(stay)
                self._heaps[kind] = stay
            self._size, self._gone = sum(map(len, self._heaps.values())), 0

    def _head(self, kind: int) -> _Entry | None:
        heap = self._heaps.get(kind)
        if heap is None:
            return None
        while heap and heap[0][-1].gone:
            heapq.heappop(heap)
            self._size -= 1
            self._gone = max(0, self._gone - 1)
        if not heap:
            del self._heaps[kind]
            return None
        return heap[0]
