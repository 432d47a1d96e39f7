"""One model version that turns: who runs, who waits, and what is counted of it."""

import logging
import math
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from carousel.batching import Admission, Batch, Scheduler, Sequence
from carousel.errors import EngineFault, GoingAway, NotStateful, Overloaded
from carousel.serving.version import Version
from carousel.telemetry import ModelCounters, ModelReadings
from carousel.tensors import FLOAT32, Floats

if TYPE_CHECKING:
    from carousel.serving.session import Session

logger = logging.getLogger("carousel.serving.model")

STANDSTILL = 0.01
"""Seconds of one engine call above which it runs on a thread of its own, so that the loop never stands still."""
_LATE = 10  # times its predicted time that a tick on the engine's own thread may take before it counts as late


class Model:
    """A version that turns. All its methods belong to the loop's thread.

    Attributes:
        spent: Seconds of engine work, as predicted, by which the loop shares itself out fairly.
        sessions: Live sequences open on this version.
        answered_at: When a sequence was last answered, in seconds on the clock; 0.0 before the first.
    """

    def __init__(
        self,
        version: Version,
        admission: Admission,
        post: Callable[[Callable[[], None]], None],
        clock: Callable[[], float] = time.monotonic,
        begin: "Callable[[Model], None]" = lambda _: None,
    ) -> None:
        """Turn what was loaded.

        `post` brings a function from another thread to the loop's; `begin` asks it for turns, as long as this is busy.
        """
        self.version = version
        self.signature = version.signature
        self.counters = ModelCounters()
        self.sessions: dict[Session, None] = {}
        self.spent = 0.0
        self.closing = False
        self._admission = admission
        self._post = post
        self._clock = clock
        self._begin = begin
        self._costs = version.costs
        self._scheduler = Scheduler(version.costs, version.state_width, whole=not version.states)
        self._thread: ThreadPoolExecutor | None = None
        self._awake = False
        self._away = False
        self._late_at = math.inf
        self.answered_at = 0.0

    @property
    def stateful(self) -> bool:
        """Whether sequences ride in chunks: can start from a state, return one, and be live."""
        return bool(self.version.states)

    @property
    def busy(self) -> bool:
        """Whether a turn has something to do now."""
        return self._awake and not self._away

    @property
    def running(self) -> int:
        """Sequences on board."""
        return self._scheduler.running

    @property
    def waiting(self) -> int:
        """Sequences that wait to step on, or were parked."""
        return max(0, self._scheduler.live - self._scheduler.running)

    @property
    def backlog(self) -> float:
        """Seconds of work that the sequences here still need, as predicted."""
        return self._scheduler.backlog

    def read(self, now: float) -> ModelReadings:
        """Copy every number there is at `now`, in seconds on the clock."""
        version, sessions = self.version, len(self.sessions)
        return ModelReadings(
            name=version.name,
            version=version.number,
            engine=version.engine.name,
            fallback=bool(version.not_preferred_because),
            batch_invariant=version.batch_invariant,
            counters=self.counters.copy(),
            running=self.running,
            waiting=self.waiting,
            backlog_seconds=self.backlog,
            sessions=sessions,
            oldest_idle_seconds=max([now - session.touched for session in self.sessions], default=0.0),
            state_bytes=FLOAT32.itemsize * version.state_width * sessions,
        )

    def admit(self, samples: int, timesteps: int, longest: int, deadline: float) -> None:
        """Let a request in, or refuse it before any work.

        Args:
            samples: Sequences of the request.
            timesteps: Of all of them together.
            longest: Timesteps of the longest.
            deadline: Seconds on the clock; inf where there is none.

        Raises:
            Overloaded: They would not be done before the deadline, or the server has promised enough.
            GoingAway: The version is being unloaded.
        """
        if self.closing:
            self.counters.requests_failed += 1
            raise GoingAway(f"{self.version.name} version {self.version.number} is being unloaded")
        run = self._costs.run_seconds(max(1, self._scheduler.live + samples), longest)
        try:
            self._admission.admit(self._costs.work_seconds(timesteps), run, deadline, self._clock())
        except Overloaded:
            self.counters.refused["deadline" if deadline < math.inf else "backlog"] += samples
            self.counters.requests_failed += 1
            raise

    def submit(self, sequences: list[Sequence]) -> None:
        """Let the sequences of one admitted request ride; each one's `done` is called in time.

        Raises:
            NotStateful: One starts from or returns a state, and the model has none; none of them rides.
        """
        now = self._clock()
        if not self.stateful and any(s.state is not None or s.return_state for s in sequences):
            raise NotStateful(f"{self.version.name} cannot ride in chunks, so it has no states")
        for sequence in sequences:
            self._scheduler.add(sequence, now)
        self._wake()

    def resume(self, sequence: Sequence) -> None:
        """Let the next steps of a live sequence ride: what was let in once is not refused half-way."""
        self._scheduler.add(sequence, self._clock())
        self._wake()

    def cancel(self, sequence: Sequence) -> None:
        """Nobody waits for this sequence any more: it leaves before the next tick and its `done` is not called."""
        if not sequence.over:
            self._scheduler.cancel(sequence)
            sequence.done = _nobody
            self.counters.sequences["Cancelled"] += 1

    def turn(self) -> None:
        """Run one tick: newcomers step on, all ride as far as the shortest has left, who is done steps off."""
        now = self._clock()
        batch = self._scheduler.schedule(now)
        if batch is None:
            self._answer()
            self._rest()
        elif batch.predicted > STANDSTILL:
            self._answer()  # who expired need not wait for the call
            self._ride_elsewhere(batch)
        else:
            try:
                outputs, state = self.version.engine.run(batch.inputs(), batch.state)
            except Exception as error:  # noqa: BLE001 - whatever an engine raises fails this tick and nothing else
                self._fail(batch, error)
            else:
                self._complete(batch, outputs, state, now)
            self._rest()

    def late_seconds(self, now: float) -> float:
        """Say by how much the tick on the engine's own thread is late, past ten times its predicted time; 0 if not."""
        return max(0.0, now - self._late_at)

    def close(self) -> None:
        """Give the engine's thread back. Only when nobody rides any more."""
        if self._thread is not None:
            self._thread.shutdown(wait=False)

    def _backlog(self) -> float:
        return self._scheduler.backlog

    def _wake(self) -> None:
        """Ask for turns, and count towards the promised work. Who is idle does neither, and costs nothing."""
        if not self._awake:
            self._awake = True
            self._admission.count(self._backlog)
            self._begin(self)

    def _rest(self) -> None:
        if not self._scheduler.live:
            self._awake = False
            self._admission.discount(self._backlog)

    def _ride_elsewhere(self, batch: Batch) -> None:
        """Run a tick that would hold the loop up on the engine's own thread."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, f"engine-{self.version.name}")
        self._away = True
        inputs, began = batch.inputs(), self._clock()
        self._late_at = began + _LATE * batch.predicted

        def run() -> None:
            try:
                outputs, state = self.version.engine.run(inputs, batch.state)
            except Exception as error:  # noqa: BLE001 - as above
                self._post(partial(self._back, partial(self._fail, batch, error)))
            else:
                self._post(partial(self._back, partial(self._complete, batch, outputs, state, began)))

        self._thread.submit(run)

    def _back(self, finish: Callable[[], None]) -> None:
        self._away = False
        self._late_at = math.inf
        finish()
        self._rest()
        if self.busy:
            self._begin(self)

    def _complete(self, batch: Batch, outputs: Floats, state: Floats, began: float) -> None:
        now = self._clock()
        counters, rows = self.counters, len(batch.sequences)
        if batch.steps > min([sequence.remaining for sequence in batch.sequences]):
            counters.padded_steps += sum(max(0, batch.steps - sequence.remaining) for sequence in batch.sequences)
        self._scheduler.complete(batch, outputs, state, now)
        counters.steps += rows * batch.steps
        counters.ticks[rows] += 1
        counters.ticks_ns[rows] += round((now - began) * 1e9)
        counters.tick_steps.add(batch.steps)
        counters.predicted_seconds += batch.predicted
        counters.engine_seconds += now - began
        self.spent += batch.predicted
        # Rows that nobody waits for stand empty for want of demand, which says nothing of the pace under load.
        work = self._costs.work_seconds(rows * batch.steps) if self.waiting else batch.predicted
        self._admission.worked(work, began, now)
        self._answer()

    def _fail(self, batch: Batch, error: Exception) -> None:
        """Fail the sequences of one tick by an id that the log explains; the carousel keeps turning."""
        fault = uuid.uuid4().hex[:12]
        logger.error("engine fault %s in %s version %s", fault, self.version.name, self.version.number, exc_info=error)
        self.spent += batch.predicted
        for sequence in self._scheduler.abort(batch, self._clock()):
            sequence.error = EngineFault(f"the engine failed while this sequence rode (fault {fault})")
            self._finish(sequence)
        self._answer()

    def _answer(self) -> None:
        for sequence in self._scheduler.ended():
            if sequence.error is not None:
                self._admission.expired()
            self._finish(sequence)

    def _finish(self, sequence: Sequence) -> None:
        counters = self.counters
        if sequence.error is None:
            counters.sequences["done"] += 1
            self.answered_at = sequence.finished
            counters.wait.add(sequence.started - sequence.arrived, sequence.trace)
            counters.run.add(sequence.finished - sequence.started, sequence.trace)
        else:
            counters.sequences[type(sequence.error).__name__] += 1
        done, sequence.done = sequence.done, _nobody
        try:
            done(sequence)
        except Exception:  # one faulty answer must not end everyone's rides
            logger.exception("an answer of %s version %s failed", self.version.name, self.version.number)


def _nobody(_sequence: Sequence) -> None:
    """Be told nothing more. Whoever waits holds the sequences that hold it: cut, so that memory is free at once."""
