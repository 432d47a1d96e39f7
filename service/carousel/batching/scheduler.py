"""Who runs next, and how far: add, schedule, complete, cancel. Pure: no clock, lock, thread or engine."""

from operator import attrgetter

from carousel.batching.batch import Batch
from carousel.batching.clients import Clients
from carousel.batching.costs import Costs
from carousel.batching.deadlines import Deadlines
from carousel.batching.sequence import Sequence
from carousel.batching.slots import Slots
from carousel.errors import DeadlineExceeded
from carousel.tensors import Floats

PATIENCE = 100.0
"""A sequence is due this many times its own remaining work after it arrived. So short ones pass long ones, and whatever
arrives after a sequence was due runs after it: none starves."""

SLOWDOWN = 1.5
"""How much longer a timestep of the short and the overdue may take because others share their batch."""

_order = attrgetter("due", "number")
"""Sooner due runs first; of two due at once, the one that came first."""


class Scheduler:
    """The rows and the queue of one model.

    A sequence is due after PATIENCE times its remaining work, or just in time for its deadline if that is sooner. The
    soonest due run; the others wait, or are parked when one that is due sooner arrives. Where several clients have
    sequences here, each gets as many timesteps as the others: the soonest due are chosen among one client's own.

    Several batches may run side by side, each in a lane with slots of its own. A sequence stays in its lane until it is
    done or parked; one that waits starts in whichever lane is free.

    Attributes:
        timesteps: That the sequences here still need.
        live: Sequences here that are neither done nor cancelled.
    """

    def __init__(self, costs: Costs, state_width: int, *, whole: bool = False, lanes: int = 1) -> None:
        """Serve a model whose row of state has `state_width` floats; a `whole` one cannot be cut in time."""
        self._costs = costs
        self._whole = whole
        self._work = costs.work_seconds(1)
        self._patience = PATIENCE * self._work
        self._alone = costs.step_seconds(1)
        self._shared = costs.step_seconds(costs.rows)
        self._short = costs.tick_steps(costs.rows)
        self._allowed_rows = _allowed_rows(costs)
        self._lanes = [Slots(state_width) for _ in range(lanes)]  # the one that was back first stands first
        self._clients = Clients()
        self._deadlines = Deadlines()
        self._ended: list[Sequence] = []
        self._left = False  # a sequence left that may have held a row
        self.timesteps = self.live = 0

    @property
    def running(self) -> int:
        """Sequences that hold a slot."""
        held = sum([len(lane.running) for lane in self._lanes])
        return held - sum(sequence.gone for lane in self._lanes for sequence in lane.running) if self._left else held

    @property
    def waiting(self) -> int:
        """Sequences that wait for a slot, or are parked."""
        return self.live - self.running

    @property
    def ready(self) -> bool:
        """Whether a lane is free that has rows, or whom to give them to."""
        free = [lane for lane in self._lanes if not lane.away]
        return any(lane.running for lane in free) or (bool(free) and self.live > self.running)

    @property
    def backlog(self) -> float:
        """Seconds of work that the sequences here still need."""
        return self.timesteps * self._work

    def fair_seconds(self, client: str, timesteps: int) -> float:
        """Predict when `timesteps` more of a client would be done: the seconds of work that are done here until then.

        Until then the client gets all it has here and these, and every other client as much, or all that it has.
        """
        own = self._clients.find(client)
        asked = timesteps if own is None else timesteps + own.timesteps
        others = [min(each.timesteps, asked) for each in self._clients if each is not own]
        return (asked + sum(others)) * self._work

    def add(self, sequence: Sequence, now: float) -> None:
        """Let a sequence wait."""
        sequence.arrived = now
        self.timesteps += sequence.remaining
        sequence.share = self._clients.come(sequence)
        self.live += 1
        self._deadlines.watch(sequence, self.live)
        self._wait(sequence)

    def cancel(self, sequence: Sequence) -> None:
        """Drop a sequence that is not wanted any more: it leaves before the next tick, and is not among `ended`."""
        if not sequence.over:
            self._refund(sequence)
            self._leave(sequence)

    def schedule(self, now: float) -> Batch | None:
        """Choose the rows and the length of a free lane's next tick; None when no free lane has a sequence.

        A tick is as long as the least that one of its rows has left, up to what takes `costs.TICK` seconds.

        Each batch goes to the engine and comes back by `complete` or `abort`, in any order.
        """
        for sequence in self._deadlines.expired(now):
            self._refund(sequence)
            self._expire(sequence, "the deadline passed", now)
        if self._left:
            self._sweep()
        free = [lane for lane in self._lanes if not lane.away]
        if not free:
            return None
        lane = next((lane for lane in free if lane.running), free[0])
        if self.live > self.running:
            self._choose_alike(lane, now) if self._whole else self._choose(lane, now)
        running = lane.running
        if not running:
            return None
        lane.away = True
        steps = min([sequence.remaining for sequence in running])
        if not self._whole:
            steps = min(steps, self._costs.tick_steps(len(running)))
        return Batch(running, steps, lane.state, self._costs.tick_seconds(len(running), steps), lane)

    def complete(self, batch: Batch, outputs: Floats, state: Floats, now: float) -> None:
        """Take what the engine gave for a batch that `schedule` returned; sequences that are done leave.

        Args:
            batch: What was run.
            outputs: float32 [steps, rows, units]; [1, rows, units] from a whole model that gives no `sequence`.
            state: float32 [rows, state_width], after the tick.
            now: Seconds.
        """
        lane = batch.lane
        self._back(lane)
        lane.state = state
        stay, steps, advanced = [], batch.steps, 0
        for row, sequence in enumerate(batch.sequences):
            if sequence.gone:
                continue
            sequence.take(outputs, row, steps)
            advanced += 1
            sequence.share.timesteps -= steps
            if sequence.remaining:
                stay.append(row)
            else:
                self._clients.leave(sequence)
                if sequence.return_state:
                    lane.park(row)
                if sequence.deadline < now:
                    sequence.error = DeadlineExceeded("the deadline passed while the last timesteps ran")
                sequence.finished = now
                self._ended.append(sequence)
        self.timesteps -= advanced * steps
        if len(stay) < len(batch.sequences):
            lane.keep(stay)
        self.live -= advanced - len(stay)

    def abort(self, batch: Batch, now: float) -> list[Sequence]:
        """Drop the sequences of a batch whose run failed; return those that were not cancelled meanwhile."""
        self._back(batch.lane)
        batch.lane.keep([])
        failed = [sequence for sequence in batch.sequences if not sequence.gone]
        for sequence in failed:
            self._leave(sequence)
            sequence.finished = now
        return failed

    def ended(self) -> list[Sequence]:
        """Hand over the sequences that were done or expired since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def everything(self) -> list[Sequence]:
        """List every sequence that was added and neither cancelled nor handed over by `ended`."""
        waiting = [sequence for client in self._clients for sequence in client.queue]
        running = [sequence for lane in self._lanes for sequence in lane.running]
        here = [sequence for sequence in [*running, *waiting] if not sequence.gone]
        return list(dict.fromkeys([*here, *self._ended]))

    def _expire(self, sequence: Sequence, why: str, now: float) -> None:
        sequence.error = DeadlineExceeded(f"{why} after {sequence.taken} of {sequence.timesteps} timesteps")
        sequence.finished = now
        self._leave(sequence)
        self._ended.append(sequence)

    def _due(self, sequence: Sequence) -> float:
        patient = sequence.arrived + self._patience * sequence.remaining
        punctual = sequence.deadline - self._shared * sequence.remaining
        return min(patient, punctual)

    def _wait(self, sequence: Sequence) -> None:
        sequence.due = self._due(sequence)
        self._clients.push(sequence, sequence.timesteps if self._whole else 0)

    def _refund(self, sequence: Sequence) -> None:
        """Give its client back what one that holds a row will not run."""
        if any(sequence in lane.running for lane in self._lanes):
            sequence.share.tag -= sequence.remaining

    def _leave(self, sequence: Sequence) -> None:
        sequence.gone = self._left = True
        self.timesteps -= sequence.remaining
        sequence.share.timesteps -= sequence.remaining
        self._clients.forget(sequence)
        self._clients.leave(sequence)
        self.live -= 1
        if not self.live:
            self._sweep()  # an empty scheduler schedules no more

    def _sweep(self) -> None:
        """Take the rows of those that left; what is away keeps its rows until it is back."""
        for lane in self._lanes:
            if not lane.away and any(sequence.gone for sequence in lane.running):
                lane.keep([row for row, sequence in enumerate(lane.running) if not sequence.gone])
        self._left = any(lane.away for lane in self._lanes)

    def _back(self, lane: Slots) -> None:
        lane.away = False
        if len(self._lanes) > 1:
            self._lanes.remove(lane)
            self._lanes.append(lane)

    def _head(self, now: float) -> Sequence | None:
        """Look at the soonest due of the client that is next; one that could not be done in time even alone leaves."""
        while (head := self._clients.head()) is not None and now + head.remaining * self._alone > head.deadline:
            self._expire(head, "the deadline could not be met any more", now)
        return head

    def _urgent(self, sequence: Sequence, now: float) -> bool:
        return sequence.timesteps <= self._short or sequence.due <= now

    def _choose(self, lane: Slots, now: float) -> None:
        """Give the rows to the soonest due, and to the urgent among them fewer to share with."""
        clients, chosen = self._clients, list(lane.running)
        dealt = -(-self.live // len(self._lanes))  # rows of a lane, where all that are here are dealt alike
        if self._emptying(chosen):
            return
        urgent = 0
        for sequence in chosen:
            sequence.due = self._due(sequence)  # it changed as they ran, and matters only now that others wait
            urgent += self._urgent(sequence, now)
        while (head := self._head(now)) is not None:
            pressing = self._urgent(head, now)
            room = len(chosen) < (
                self._costs.rows_for(head.remaining) if pressing else min(dealt, self._allowed_rows[urgent])
            )
            if not room:
                last = _giving_way(chosen, head)
                if last is None:
                    break
                chosen.remove(last)
                urgent -= self._urgent(last, now)
                clients.take(head)
                clients.put_back(last)
            else:
                clients.take(head)
            chosen.append(head)
            urgent += pressing
        while len(chosen) > max(urgent, self._allowed_rows[urgent]):
            last = max((sequence for sequence in chosen if not self._urgent(sequence, now)), key=_order)
            chosen.remove(last)
            clients.put_back(last)
        _change(lane, chosen, now)

    def _emptying(self, running: list[Sequence]) -> bool:
        """Whether those that run are left to end first: all within a tick's time, and a full batch waits.

        Newcomers that have further to go would run no farther beside them, and then end one by one. Started together
        they are about as long as one another, so their ticks are longer and fewer.
        """
        head = self._clients.head()
        if head is None or not running or self.waiting < self._costs.rows:
            return False
        last = max([sequence.remaining for sequence in running])
        return last <= self._short and last < head.remaining

    def _choose_alike(self, lane: Slots, now: float) -> None:
        """Batch the soonest due with others of its own length. A whole model's rows are free again after each tick."""
        head = other = self._head(now)
        chosen: list[Sequence] = []
        while head is not None and other is not None and len(chosen) < self._costs.rows_for(head.timesteps):
            self._clients.take(other, head.timesteps)
            chosen.append(other)
            other = self._clients.next_of(head.timesteps)
        _change(lane, chosen, now)


def _change(slots: Slots, chosen: list[Sequence], now: float) -> None:
    """Park those that are not among the chosen, and give a row to those that have none."""
    if chosen == slots.running:
        return
    staying = set(chosen)
    stay = [row for row, sequence in enumerate(slots.running) if sequence in staying]
    held = set(slots.running)
    if len(stay) < len(held):
        for row, sequence in enumerate(slots.running):
            if sequence not in staying:
                slots.park(row)
        slots.keep(stay)
    if newcomers := [sequence for sequence in chosen if sequence not in held]:
        for sequence in newcomers:
            sequence.started = sequence.started or now
        slots.add(newcomers)


def _giving_way(running: list[Sequence], head: Sequence) -> Sequence | None:
    """Choose which of those that run parks for `head`; None where none should.

    One of another client, if that client had more even without it; else one of the same client that is due later.
    """
    client = head.share
    others = [sequence for sequence in running if sequence.share is not client]
    if others:
        most = max([sequence.share.tag for sequence in others])
        last = max([sequence for sequence in others if sequence.share.tag == most], key=_order)
        if (most - last.remaining, *_order(last)) > (client.tag, *_order(head)):
            return last
        if len(others) == len(running):
            return None
    last = max([sequence for sequence in running if sequence.share is client], key=_order)
    return last if _order(last) > _order(head) else None


def _allowed_rows(costs: Costs) -> list[int]:
    """How many rows may run when so many of them are urgent, by that number; all, when none is."""
    allowed_rows = [costs.rows]
    for urgent in range(1, costs.max_rows + 1):
        limit = SLOWDOWN * costs.step_seconds(urgent)
        bearable = [rows for rows in range(urgent, costs.rows + 1) if costs.step_seconds(rows) <= limit]
        allowed_rows.append(max(bearable, default=urgent))
    return allowed_rows
