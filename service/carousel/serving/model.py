"""One model version that turns: sequences in, ticks run, answers out."""

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from carousel.batching import Admission, Batch, Scheduler, Sequence, Slots
from carousel.errors import EngineFault, GoingAway, Overloaded
from carousel.serving.faults import unexpected
from carousel.serving.lanes import Lanes
from carousel.serving.version import Version
from carousel.telemetry import ModelCounters, ModelReadings, SessionReadings
from carousel.tensors import Floats

STANDSTILL = 0.01
"""Seconds of one engine call above which it runs on threads of the model's own, so that the loop never stands still and
no other model waits for a lane."""

HAND_OVER = 0.0005
"""Seconds of one engine call from which a tick is handed to a lane: below, the way there costs what the lane brings."""

_LATE = 10
"""A tick on another thread is late once it takes so many times its predicted time."""


class Model:
    """A version that turns. All its methods belong to the loop's thread.

    Whatever is raised on the way of a tick ends in one answer for each sequence concerned, and the next tick runs.

    Attributes:
        version: What was loaded.
        counters: What it did, its `others` too.
        others: The further signatures of its version, by name.
        closing: Whether it is being unloaded: it takes no more requests.
        spent: Seconds of engine work, as predicted, by which the loop shares itself out fairly.
        answered_at: When a sequence was last answered, in seconds on the clock; 0.0 before the first.
    """

    def __init__(
        self,
        version: Version,
        admission: Admission,
        post: Callable[[Callable[[], None]], None],
        clock: Callable[[], float] = time.monotonic,
        begin: "Callable[[Model], None]" = lambda _: None,
        lanes: Lanes | None = None,
    ) -> None:
        """Turn what was loaded.

        `post` brings a function from another thread to the loop's; `begin` asks it for turns, as long as this is busy;
        `lanes` run its ticks beside the loop where that pays.
        """
        self.version = version
        self.counters = ModelCounters()
        self.others = {
            name: Model(other, admission, post, clock, begin, lanes) for name, other in version.others.items()
        }
        for other in self.others.values():
            other.counters = self.counters
        self.closing = False
        self.spent = 0.0
        self.answered_at = 0.0
        self._admission = self._on_loop = admission
        self._apart = admission.apart()
        self._post = post
        self._clock = clock
        self._begin = begin
        self._costs = version.costs
        self._lanes = lanes or Lanes()
        # What does not promise equal bits is not asked from several threads at once.
        self._count = self._lanes.count if version.engine.batch_invariant else 1
        self._scheduler = self._new_scheduler()
        self._own: ThreadPoolExecutor | None = None
        self._awake = False
        self._turning = False
        self._away: dict[Slots, float] = {}  # the lanes whose tick is on another thread, and when each is late

    @property
    def busy(self) -> bool:
        """Whether a turn has something to do now."""
        return self._turning

    @property
    def running(self) -> int:
        """Sequences in the batches."""
        return self._scheduler.running + sum(other.running for other in self.others.values())

    @property
    def waiting(self) -> int:
        """Sequences that wait for their first tick, or are parked."""
        return self._scheduler.waiting + sum(other.waiting for other in self.others.values())

    @property
    def backlog(self) -> float:
        """Seconds of work that the sequences here still need, as predicted."""
        return self._scheduler.backlog

    def read(self, sessions: SessionReadings) -> ModelReadings:
        """Copy every number; those of its live sequences are known elsewhere."""
        version = self.version
        return ModelReadings(
            name=version.name,
            version=version.number,
            engine=version.engine.name,
            fallback=bool(version.not_preferred_because),
            batch_invariant=version.batch_invariant,
            counters=self.counters.copy(),
            running=self.running,
            waiting=self.waiting,
            backlog_seconds=self.backlog + sum(other.backlog for other in self.others.values()),
            sessions=sessions,
        )

    def admit(self, client: str, samples: int, timesteps: int, longest: int, deadline: float) -> None:
        """Let a request in, or refuse it before any work.

        Args:
            client: Whose it is.
            samples: Sequences of the request.
            timesteps: Of all of them together.
            longest: Timesteps of the longest.
            deadline: Seconds on the clock; inf where there is none.

        Raises:
            Overloaded: They would not be done before the deadline, or the server has promised this client enough.
            GoingAway: The version is being unloaded.
        """
        if self.closing:
            raise GoingAway(f"{self.version} is being unloaded")
        run = 0.0  # which matters to a deadline alone
        if deadline < math.inf:
            run = self._costs.run_seconds(max(1, self._scheduler.live + samples), longest)
        try:
            fair, work = self._scheduler.fair_seconds(client, timesteps), self._costs.work_seconds(timesteps)
            self._admission.admit(self, fair, work, run, deadline, self._clock())
        except Overloaded:
            self.counters.refused["deadline" if deadline < math.inf else "backlog"] += samples
            raise

    def submit(self, sequences: list[Sequence]) -> None:
        """Let the sequences of one admitted request wait for a tick; each one's `done` is called in time."""
        now = self._clock()
        for sequence in sequences:
            self._scheduler.add(sequence, now)
        if not self._awake:
            self._awake = True
            self._admission.count(self)
        self._ask_for_turns()

    def cancel(self, sequence: Sequence) -> None:
        """Drop a sequence that is not wanted any more: it leaves before the next tick; its `done` is not called."""
        if not sequence.over:
            self._scheduler.cancel(sequence)
            sequence.done = _ignore
            self.counters.sequences["Cancelled"] += 1

    def turn(self) -> None:
        """Run one tick: choose its rows, advance them as far as the shortest has left, answer those that are done."""
        try:
            self._turn()
        except Exception as bug:  # noqa: BLE001 - a bug here may fail what is here, and nothing else
            self._start_over(bug)
        self._rest()
        self._turning = self._awake and self._scheduler.ready

    def late_seconds(self, now: float) -> float:
        """Say by how much a tick on another thread is late; 0.0 if none is."""
        others = [other.late_seconds(now) for other in self.others.values()]
        return max([0.0, *others, *(now - late_at for late_at in self._away.values())])

    def close(self) -> None:
        """Give the engine's own threads back. Only when no sequence is here any more."""
        for other in self.others.values():
            other.close()
        if self._own is not None:
            self._own.shutdown(wait=False)

    def _new_scheduler(self) -> Scheduler:
        return Scheduler(self._costs, self.version.state_width, whole=not self.version.states, lanes=self._count)

    def _ask_for_turns(self) -> None:
        if not self._turning and self._awake and self._scheduler.ready:
            self._turning = True
            self._begin(self)

    def _rest(self) -> None:
        """Ask for no more turns and count for nothing, where no sequence is left: an idle model costs nothing."""
        if self._awake and not self._away and not self._scheduler.live:
            self._awake = False
            self._admission.discount(self)

    def _turn(self) -> None:
        now = self._clock()
        batch = self._scheduler.schedule(now)
        if batch is None:
            self._answer()
        elif batch.predicted > STANDSTILL:
            self._answer()  # what expired need not wait for the call
            self._promise_by(self._apart)
            self._own = self._own or ThreadPoolExecutor(self._count, f"engine-{self.version.name}")
            self._hand_over(batch, self._own)
        elif self._pays(batch):
            self._answer()
            self._promise_by(self._on_loop)
            self._hand_over(batch, self._lanes.threads)
        else:
            self._promise_by(self._on_loop)
            try:
                outputs, state = self._run(batch, batch.inputs())
            except Exception as error:  # noqa: BLE001 - whatever an engine raises fails this tick and nothing else
                self._fail(batch, error)
            else:
                self._complete(batch, outputs, state, now)

    def _pays(self, batch: Batch) -> bool:
        """Whether a lane runs the tick: it is worth its way there, and something can be done meanwhile."""
        return self._count > 1 and batch.predicted >= HAND_OVER and (bool(self._away) or self.waiting > 0)

    def _promise_by(self, admission: Admission) -> None:
        """Count what is promised here towards the thread that runs it: the loop's, or the engine's own."""
        if admission is not self._admission:
            self._admission.discount(self)
            self._admission = admission
            admission.count(self)

    def _run(self, batch: Batch, inputs: Floats) -> tuple[Floats, Floats]:
        """Run a tick, and refuse an answer that is not of its shape before anything is taken from it."""
        outputs, state = self.version.engine.run(inputs, batch.state)
        rows, steps = len(batch.sequences), batch.steps
        whole = not self.version.states
        if outputs.ndim != 3 or outputs.shape[1] != rows or (outputs.shape[0] != steps and not whole):
            raise ValueError(f"the engine gave outputs {outputs.shape} for {steps} timesteps of {rows} rows")
        if state.shape != batch.state.shape:
            raise ValueError(f"the engine gave states {state.shape} for {batch.state.shape}")
        return outputs, state

    def _hand_over(self, batch: Batch, threads: ThreadPoolExecutor) -> None:
        """Run a tick on another thread; the loop goes on, and takes what came of it when it is back."""
        inputs, scheduler = batch.inputs(), self._scheduler

        def run() -> None:
            began = self._clock()
            try:
                outputs, state = self._run(batch, inputs)
            except Exception as error:  # noqa: BLE001 - as above
                self._post(partial(self._back, batch, scheduler, partial(self._fail, batch, error)))
            else:
                finish = partial(self._complete, batch, outputs, state, began)
                self._post(partial(self._back, batch, scheduler, finish))

        threads.submit(run)
        self._away[batch.lane] = self._clock() + _LATE * batch.predicted

    def _back(self, batch: Batch, scheduler: Scheduler, finish: Callable[[], None]) -> None:
        del self._away[batch.lane]
        try:
            if scheduler is self._scheduler:  # the sequences of one that was given up have their answers
                finish()
        except Exception as bug:  # noqa: BLE001 - as in `turn`
            self._start_over(bug)
        self._rest()
        self._ask_for_turns()

    def _complete(self, batch: Batch, outputs: Floats, state: Floats, began: float) -> None:
        now = self._clock()
        rows, seconds = len(batch.sequences), now - began
        if batch.steps > min([sequence.remaining for sequence in batch.sequences]):
            self.counters.padded_steps += sum(max(0, batch.steps - sequence.remaining) for sequence in batch.sequences)
        self._scheduler.complete(batch, outputs, state, now)
        self.counters.ticked(rows, batch.steps, seconds, batch.predicted)
        self.spent += batch.predicted
        # Rows that are empty for want of demand say nothing of the pace under load.
        work = self._costs.work_seconds(rows * batch.steps) if self.waiting else batch.predicted
        self._admission.worked(work, began, now)
        self._answer()

    def _fail(self, batch: Batch, error: Exception) -> None:
        """Fail the sequences of one tick by an id that the log explains; the others go on."""
        fault = unexpected(error, f"the engine of {self.version} failed while this sequence ran", EngineFault)
        self.spent += batch.predicted
        for sequence in self._scheduler.abort(batch, self._clock()):
            sequence.error = fault
            self._finish(sequence)
        self._answer()

    def _start_over(self, bug: Exception) -> None:
        """Fail every sequence that is here, and go on with an empty scheduler: the old one may be half-way."""
        fault = unexpected(bug, f"{self.version} failed while this sequence ran")
        old, self._scheduler = self._scheduler, self._new_scheduler()
        now = self._clock()
        failed = old.everything()
        for sequence in failed:
            sequence.error = sequence.error or fault
            sequence.gone, sequence.finished = True, now
        for sequence in failed:  # only now: one that fails may cancel the others of its request
            self._finish(sequence)

    def _answer(self) -> None:
        for sequence in self._scheduler.ended():
            self._admission.ended(late=sequence.error is not None)
            self._finish(sequence)

    def _finish(self, sequence: Sequence) -> None:
        if sequence.error is None:
            self.answered_at = sequence.finished
            self.counters.done(
                sequence.started - sequence.arrived, sequence.finished - sequence.started, sequence.trace
            )
        else:
            self.counters.sequences[type(sequence.error).__name__] += 1
        done, sequence.done = sequence.done, _ignore
        try:
            done(sequence)
        except Exception as bug:  # noqa: BLE001 - one callback may not keep the others from their answers
            unexpected(bug, f"an answer of {self.version} was lost")


def _ignore(_sequence: Sequence) -> None:
    """Take no more notice. What waits for a sequence and the sequence hold each other: cut, memory is free at once."""
