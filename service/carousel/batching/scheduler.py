"""Who rides next, and how far: add, schedule, complete, cancel. Pure: no clock, lock, thread or engine."""

from operator import attrgetter

from carousel.batching.batch import Batch
from carousel.batching.costs import Costs
from carousel.batching.queue import Deadlines, Queue
from carousel.batching.sequence import Sequence
from carousel.batching.slots import Slots
from carousel.errors import DeadlineExceeded
from carousel.tensors import Floats

PATIENCE = 100.0
"""How many times its own remaining work a sequence may be overtaken for: short ones pass long ones, and whatever
arrives after a sequence's due time rides after it, so none starves."""

SLOWDOWN = 1.5
"""How much the others may slow the short and the overdue by riding along."""

_order = attrgetter("due", "number")
"""Sooner due rides first; of two due at once, the one that came first."""


class Scheduler:
    """The rows and the queue of one model.

    A sequence is due after PATIENCE times its remaining work, or just in time for its deadline if that is sooner. The
    soonest due ride; the others wait, or are parked when someone sooner due comes.

    Attributes:
        backlog: Seconds of work that the sequences here still need.
        live: Sequences here that somebody waits for.
    """

    def __init__(self, costs: Costs, state_width: int, *, whole: bool = False) -> None:
        """Serve a model whose row of state has `state_width` floats; a `whole` one cannot ride in chunks."""
        self._costs = costs
        self._whole = whole
        self._work = costs.work(1)
        self._patience = PATIENCE * self._work
        self._alone = costs.step(1)
        self._ride = costs.step(costs.rows)
        self._short = costs.steps(costs.rows)
        self._company = _company(costs)
        self._slots = Slots(state_width)
        self._queue = Queue()
        self._deadlines = Deadlines()
        self._ended: list[Sequence] = []
        self._left = False  # somebody left who may have held a row
        self.backlog = 0.0
        self.live = 0

    @property
    def riding(self) -> int:
        """Sequences that hold a slot."""
        return len(self._slots.riders)

    def add(self, sequence: Sequence, now: float) -> None:
        """Let a sequence queue."""
        sequence.arrived = now
        self.backlog += sequence.remaining * self._work
        self.live += 1
        self._deadlines.watch(sequence, self.live)
        self._wait(sequence)

    def cancel(self, sequence: Sequence) -> None:
        """Nobody waits for this sequence any more: it leaves before the next tick, and nobody is told."""
        if not sequence.over:
            self._leave(sequence)

    def schedule(self, now: float) -> Batch | None:
        """Choose the rows and the length of the next tick; None when nobody is here."""
        for sequence in self._deadlines.expired(now):
            self._expire(sequence, "the deadline passed", now)
        if self._left:
            self._left = False
            self._slots.keep([row for row, sequence in enumerate(self._slots.riders) if not sequence.gone])
        if self._queue:
            self._board_alike(now) if self._whole else self._board(now)
        riders = self._slots.riders
        if not riders:
            return None
        steps = min([sequence.remaining for sequence in riders])
        if not self._whole:
            steps = min(steps, self._costs.steps(len(riders)))
        return Batch(riders, steps, self._slots.state, self._costs.tick(len(riders), steps))

    def complete(self, batch: Batch, outputs: Floats, state: Floats, now: float) -> None:
        """Take what the engine gave for the batch that `schedule` returned last. Who is done steps off.

        Args:
            batch: What was run.
            outputs: float32 [steps, rows, units]; [1, rows, units] from a whole model that gives no `sequence`.
            state: float32 [rows, state_width], after the tick.
            now: Seconds.
        """
        self._slots.state = state
        stay, steps, ridden = [], batch.steps, 0
        for row, sequence in enumerate(batch.sequences):
            if sequence.gone:
                continue
            sequence.take(outputs, row, steps)
            ridden += 1
            if sequence.remaining:
                stay.append(row)
            else:
                if sequence.return_state:
                    self._slots.park(row)
                if sequence.deadline < now:
                    sequence.error = DeadlineExceeded("the deadline passed while the last timesteps rode")
                sequence.finished = now
                self._ended.append(sequence)
        self.backlog -= ridden * steps * self._work
        self._settle(ridden - len(stay))
        if len(stay) < len(batch.sequences):
            self._slots.keep(stay)

    def abort(self, batch: Batch, now: float) -> list[Sequence]:
        """Let the sequences of a batch whose run failed step off; return those that somebody waits for."""
        self._slots.keep([])
        fallen = [sequence for sequence in batch.sequences if not sequence.gone]
        for sequence in fallen:
            self._leave(sequence)
            sequence.finished = now
        return fallen

    def ended(self) -> list[Sequence]:
        """Hand over the sequences that were done or expired since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def _expire(self, sequence: Sequence, why: str, now: float) -> None:
        sequence.error = DeadlineExceeded(f"{why} after {sequence.taken} of {sequence.timesteps} timesteps")
        sequence.finished = now
        self._leave(sequence)
        self._ended.append(sequence)

    def _due(self, sequence: Sequence) -> float:
        patient = sequence.arrived + self._patience * sequence.remaining
        punctual = sequence.deadline - self._ride * sequence.remaining
        return min(patient, punctual)

    def _wait(self, sequence: Sequence) -> None:
        sequence.due = self._due(sequence)
        self._queue.push(sequence, sequence.timesteps if self._whole else 0)

    def _leave(self, sequence: Sequence) -> None:
        sequence.gone = self._left = True
        self.backlog -= sequence.remaining * self._work
        self._queue.forget()
        self._settle(1)

    def _settle(self, count: int) -> None:
        self.live -= count
        if not self.live:
            self.backlog = 0.0  # sums of floats drift; an empty carousel is the moment to say so
            self._slots.keep([])  # nobody schedules an empty carousel: its last riders may have been cancelled

    def _head(self, now: float) -> Sequence | None:
        """Look at the soonest due; who could not be done in time even alone leaves instead."""
        while (head := self._queue.head()) is not None and now + head.remaining * self._alone > head.deadline:
            self._expire(head, "the deadline could not be met any more", now)
        return head

    def _urgent(self, sequence: Sequence, now: float) -> bool:
        return sequence.timesteps <= self._short or sequence.due <= now

    def _board(self, now: float) -> None:
        """Let the soonest due have the rows, and the urgent among them room."""
        queue, chosen = self._queue, list(self._slots.riders)
        if self._emptying(chosen):
            return
        urgent = 0
        for sequence in chosen:
            sequence.due = self._due(sequence)  # it changed as they rode, and matters only now that others wait
            urgent += self._urgent(sequence, now)
        while (head := self._head(now)) is not None:
            pressing = self._urgent(head, now)
            room = len(chosen) < (self._costs.seats(head.remaining) if pressing else self._company[urgent])
            if not room:
                last = max(chosen, key=_order)
                if _order(head) > _order(last):
                    break
                chosen.remove(last)
                urgent -= self._urgent(last, now)
                queue.pop()
                queue.push(last)
            else:
                queue.pop()
            chosen.append(head)
            urgent += pressing
        while len(chosen) > max(urgent, self._company[urgent]):
            last = max((sequence for sequence in chosen if not self._urgent(sequence, now)), key=_order)
            chosen.remove(last)
            queue.push(last)
        self._change(chosen, now)

    def _emptying(self, riders: list[Sequence]) -> bool:
        """Whether the riders are left to step off first: all within a tick's time, and a full carousel waits.

        Newcomers who have further to go would not ride any farther beside them, and then step off one by one; together
        they are about as long as one another, so their ticks are longer and fewer.
        """
        head = self._queue.head()
        if head is None or not riders or self.live - len(riders) < self._costs.rows:
            return False
        last = max([sequence.remaining for sequence in riders])
        return last <= self._short and last < head.remaining

    def _board_alike(self, now: float) -> None:
        """Give the soonest due mates of its own length. A whole model's rows are free again after each tick."""
        head = self._head(now)
        chosen: list[Sequence] = []
        while head is not None and len(chosen) < self._costs.seats(head.timesteps):
            mate = self._queue.pop(head.timesteps)
            if mate is None:
                break
            chosen.append(mate)
        self._change(chosen, now)

    def _change(self, chosen: list[Sequence], now: float) -> None:
        slots = self._slots
        if chosen == slots.riders:
            return
        staying = set(chosen)
        stay = [row for row, sequence in enumerate(slots.riders) if sequence in staying]
        held = set(slots.riders)
        if len(stay) < len(held):
            for row, sequence in enumerate(slots.riders):
                if sequence not in staying:
                    slots.park(row)
            slots.keep(stay)
        if newcomers := [sequence for sequence in chosen if sequence not in held]:
            for sequence in newcomers:
                sequence.boarded = sequence.boarded or now
            slots.board(newcomers)


def _company(costs: Costs) -> list[int]:
    """How many rows may ride when so many of them are urgent; all, when none is."""
    company = [costs.rows]
    for urgent in range(1, costs.most_rows + 1):
        allowed = SLOWDOWN * costs.step(urgent)
        bearable = [rows for rows in range(urgent, costs.rows + 1) if costs.step(rows) <= allowed]
        company.append(max(bearable, default=urgent))
    return company
