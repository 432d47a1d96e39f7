"""What must hold of every schedule, told by an engine that adds up: any slip in a row, a chunk or an order shows."""

import math
import queue

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carousel.artifact import Signature, State, TensorSpec
from carousel.batching import Admission, Scheduler, Sequence
from carousel.batching.scheduler import PATIENCE
from carousel.errors import DeadlineExceeded, EngineFault
from carousel.serving import Limits, Model, Request, Requests, Tensors, Version
from carousel.testing import FakeEngine, flat_costs

TICK = 0.002


class Seen(FakeEngine):
    """Adds up, and keeps what it was given; fails when it is told to."""

    def __init__(self):
        super().__init__()
        self.failing = False
        self.given = []

    def run(self, inputs, state):
        self.given.append(inputs.copy())
        if self.failing:
            self.failing = False
            raise RuntimeError("a fault of the engine's own")
        outputs, following = super().run(inputs, state if state.shape[1] else np.zeros((len(state), 1), np.float32))
        return outputs, following if state.shape[1] else state


class House:
    """A model on an engine that adds up, under a clock moved by hand."""

    def __init__(self, rows=4, steps=8, *, whole=False):
        self.now = 1.0
        self.posts = queue.SimpleQueue()
        self.engine = Seen()
        spec = TensorSpec("inputs", "float32", (None, None, 1))
        signature = Signature(spec, spec, TensorSpec("last_step", "float32", (None, 1)))
        states = () if whole else (State(name="sum", units=1),)
        self.costs = flat_costs(rows, steps)
        version = Version("m", 1, signature, states, "00" * 32, self.engine, self.costs, "", None)
        self.admission = Admission(math.inf)
        self.begun = []
        self.model = Model(version, self.admission, self.posts.put, lambda: self.now, self.begun.append)
        self.added = []

    def add(self, timesteps, start=None, **options):
        number = len(self.added) + 1
        inputs = np.arange(number, number + timesteps, dtype=np.float32)[:, None] % 97
        answers = []
        state = None if start is None else np.array([start], np.float32)
        sequence = Sequence(inputs, answers.append, state=state, **options)
        self.added.append((sequence, answers, start or 0))
        self.model.submit([sequence])
        return sequence

    def turn(self):
        self.model.turn()
        while self.model._away:  # a long engine call has a thread of its own
            self.posts.get(timeout=10)()
        self.now += TICK

    def finish(self):
        turns = 0
        while self.model.busy:
            self.turn()
            turns += 1
            assert turns < 100_000, "the carousel never came to rest"
        return turns

    def check(self):
        """Each sequence that was not cancelled has one answer, and the answer is the sum."""
        for sequence, answers, start in self.added:
            if sequence.gone and sequence.error is None:
                assert answers == []
                continue
            assert answers == [sequence]
            if sequence.error is None:
                sums = start + np.cumsum(sequence.inputs, axis=0)
                expected = sums if sequence.return_sequences else sums[-1]
                assert sequence.output.tolist() == expected.tolist()
                if sequence.return_state and self.model.version.states:
                    assert sequence.state.tolist() == sums[-1].tolist()
        assert self.model.backlog == 0.0
        assert self.model.counters.padded_steps == 0
        assert self.model.waiting == self.model.running == 0


events = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 60), st.booleans(), st.booleans(), st.integers(0, 9)),
        st.tuples(st.just("add by"), st.integers(1, 60), st.integers(0, 40)),
        st.tuples(st.just("cancel"), st.integers(0, 50)),
        st.tuples(st.just("turn"), st.integers(1, 5)),
        st.tuples(st.just("fail")),
    ),
    max_size=40,
)


def play(house, happenings):
    """Let things happen, and hold each tick to the laws as it is run."""
    for kind, *how in happenings:
        if kind == "add":
            timesteps, full, state, start = how
            stateful = bool(house.model.version.states)
            house.add(
                timesteps,
                start if start and stateful else None,
                return_sequences=full,
                return_state=state and stateful,
            )
        elif kind == "add by":
            house.add(how[0], deadline=house.now + how[1] * TICK + 1.0)
            house.now += 0.9
        elif kind == "cancel" and house.added:
            house.model.cancel(house.added[how[0] % len(house.added)][0])
        elif kind == "turn":
            for _ in range(how[0]):
                if house.model.busy:
                    house.turn()
        elif kind == "fail":
            house.engine.failing = house.model.busy
    house.engine.failing = False
    house.finish()


@settings(max_examples=300, deadline=None)
@given(events, st.integers(1, 6), st.integers(1, 12))
def test_every_sequence_gets_one_answer_and_it_is_its_own(happenings, rows, steps):
    house = House(rows, steps)
    play(house, happenings)
    house.check()
    for ridden, together in house.engine.runs:
        assert 1 <= together <= rows
        assert 1 <= ridden <= house.costs.tick_steps(together)


@settings(max_examples=150, deadline=None)
@given(events, st.integers(1, 6))
def test_what_rides_whole_rides_once_with_mates_of_its_own_length(happenings, rows):
    house = House(rows, whole=True)
    play(house, happenings)
    house.check()
    lengths = {sequence.timesteps for sequence, *_ in house.added}
    for ridden, together in house.engine.runs:
        assert ridden in lengths
        assert together <= rows


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=20), st.integers(1, 5), st.integers(1, 9))
def test_rows_are_compact_and_a_tick_ends_with_its_shortest_ride(lengths, rows, cap):
    """Every position of every row is a real step, and no tick is longer than the shortest has left or than the cap."""
    costs = flat_costs(rows, cap)
    scheduler, engine, now = Scheduler(costs, 1), FakeEngine(), 0.0
    for length in lengths:
        scheduler.add(Sequence(np.ones((length, 1), np.float32), lambda _: None), now)
    ridden = 0
    while (batch := scheduler.schedule(now)) is not None:
        assert len(batch.sequences) == len(set(batch.sequences)) == len(batch.state) <= rows
        left = [sequence.remaining for sequence in batch.sequences]
        assert batch.steps == min(*left, costs.tick_steps(len(left)))
        assert batch.inputs().shape == (batch.steps, len(left), 1)
        ridden += batch.steps * len(left)
        scheduler.complete(batch, *engine.run(batch.inputs(), batch.state), now)
        now += TICK
    assert ridden == sum(lengths)
    assert len(scheduler.ended()) == len(lengths)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=3), st.integers(1, 3))
def test_no_ride_starves_beside_an_endless_supply_of_short_ones(lengths, rows):
    """Whatever comes after a sequence's due time rides after it."""
    house = House(rows, 8)
    long = [house.add(length) for length in lengths]
    work = house.costs.work_seconds(1) * sum(lengths)
    while not all(sequence.over for sequence in long):
        house.add(2)
        house.add(3)
        house.turn()
        assert house.now < 1.0 + 4 * (PATIENCE + 1) * work + 1.0, "a ride starves"
    house.finish()
    house.check()


def test_a_short_one_steps_on_at_the_next_tick_though_long_ones_hold_every_row():
    """The long one it takes the place of is parked, comes back, and is none the worse."""
    house = House(rows=2, steps=8)
    house.add(100, return_sequences=True)
    house.add(100, return_sequences=True)
    house.turn()
    assert house.model.running == 2
    short = house.add(3)
    house.turn()
    assert short.started == pytest.approx(house.now - TICK)
    assert short.over
    assert not any(sequence.over for sequence, *_ in house.added[:2])
    house.finish()
    house.check()


def test_a_cancelled_one_rides_no_further_step():
    """Waiting, riding, parked, or done: from the next tick on it is as if it had never been there."""
    house = House(rows=2, steps=4)
    riding, other = house.add(40), house.add(40)
    waiting = house.add(40)
    house.turn()
    for sequence in (riding, waiting):
        taken = sequence.taken
        house.model.cancel(sequence)
        house.model.cancel(sequence)
        house.turn()
        assert sequence.taken == taken
    house.finish()
    house.model.cancel(other)
    assert house.model.counters.sequences == {"Cancelled": 2, "done": 1}
    assert sum(given.size for given in house.engine.given) == riding.taken + other.timesteps + waiting.taken
    house.check()


def test_one_that_expires_rides_no_further_step_and_is_told_so():
    house = House(rows=2, steps=4)
    late, other = house.add(40, deadline=house.now + 0.05), house.add(40)
    house.turn()
    taken = late.taken
    house.now += 0.1
    house.turn()
    assert isinstance(late.error, DeadlineExceeded)
    assert str(late.error) == f"the deadline passed after {taken} of 40 timesteps"
    assert late.taken == taken
    house.finish()
    assert other.error is None
    house.check()


def test_one_whose_deadline_passes_while_nobody_rides_is_answered():
    house = House(rows=1, steps=4)
    late = house.add(4, deadline=house.now + 0.05)
    house.now += 1
    house.turn()
    assert isinstance(late.error, DeadlineExceeded)
    assert house.engine.runs == []
    house.check()


def test_one_that_could_not_be_done_in_time_any_more_rides_no_step():
    """Nobody would wait for the last one; what the first steps cost goes to those who can be answered."""
    costs = flat_costs(rows=2, steps=4)
    scheduler = Scheduler(costs, 1)
    needs = 100 * costs.step_seconds(1)
    hopeless, hopeful = (Sequence(np.ones((100, 1), np.float32), lambda _: None, deadline=d * needs) for d in (0.9, 3))
    for sequence in (hopeless, hopeful):
        scheduler.add(sequence, 0.0)
    assert scheduler.schedule(0.0).sequences == [hopeful]
    assert scheduler.ended() == [hopeless]
    assert str(hopeless.error) == "the deadline could not be met any more after 0 of 100 timesteps"


def test_those_about_to_step_off_are_let_off_first_when_a_full_carousel_waits():
    """Newcomers with farther to go then ride together; one with less to go steps on at once, and so do few."""
    costs = flat_costs(rows=3, steps=8)
    lengths = {"few": [9, 9], "full": [9, 9, 9], "sooner off": [2, 9, 9]}
    boarded = {}
    for case, waiting in lengths.items():
        scheduler, engine = Scheduler(costs, 1), FakeEngine()
        for length in (1, 4):
            scheduler.add(Sequence(np.ones((length, 1), np.float32), lambda _: None), 0.0)
        first = scheduler.schedule(0.0)
        scheduler.complete(first, *engine.run(first.inputs(), first.state), TICK)
        for length in waiting:
            scheduler.add(Sequence(np.ones((length, 1), np.float32), lambda _: None), TICK)
        boarded[case] = [sequence.timesteps for sequence in scheduler.schedule(TICK).sequences]
    assert boarded == {"few": [4, 9, 9], "full": [4], "sooner off": [4, 2, 9]}


def test_an_engine_fault_fails_the_sequences_of_its_tick_and_no_other():
    """The carousel keeps turning, and the message names no inside of the engine."""
    house = House(rows=2, steps=4)
    fallen = [house.add(3), house.add(3)]
    spared = house.add(50)
    house.engine.failing = True
    house.turn()
    for sequence in fallen:
        assert isinstance(sequence.error, EngineFault)
        assert "a fault of the engine's own" not in str(sequence.error)
    house.finish()
    assert spared.error is None
    house.check()
    assert house.model.counters.sequences == {"EngineFault": 2, "done": 1}


@pytest.mark.parametrize("whole", [False, True])
def test_a_model_asks_for_turns_when_someone_comes_and_rests_when_nobody_is_left(whole):
    """Between two rushes it is not turned, and its work does not count: an idle model costs nothing."""
    house = House(rows=2, steps=4, whole=whole)
    for rushes in (1, 2):
        for length in (9, 3, 5):
            house.add(length)
        assert house.begun == [house.model] * rushes
        assert house.admission.backlog > 0
        house.finish()
        assert not house.model.busy
        assert house.admission._models == []
    house.check()


@pytest.mark.parametrize("steps", [4, 0.05])
def test_an_answer_that_fails_ends_nobody_elses_ride(steps, caplog):
    """On the loop, and where a tick rides on the engine's thread."""
    house = House(rows=2, steps=steps)
    bad, other = house.add(3), house.add(30)
    bad.done = lambda _: 1 / 0
    house.added.pop(0)
    house.finish()
    later = house.add(5)
    house.finish()
    assert other.error is None
    assert later.error is None
    house.check()
    assert "ZeroDivisionError" in caplog.text


class One:
    """A catalog of one model."""

    def __init__(self, model):
        self.model = model

    def find(self, *_):
        return self.model


def test_a_request_is_answered_or_failed_once_however_its_sequences_end():
    """One that could not be done in time fails the request, though its mate steps off in time in the same tick."""
    house, said = House(rows=1, steps=4), []
    requests = Requests(One(house.model), Limits())
    deadline = house.now + 30 * house.costs.step_seconds(1)
    inputs = [np.ones((n, 1), np.float32) for n in (2, 100, 100)]
    house.model.admit = lambda *_: None  # it is refused otherwise: the deadline cannot be met
    request = Request(
        model="m",
        version=0,
        label="",
        samples=3,
        lengths=lambda: [len(steps) for steps in inputs],
        size=10_000,
        wants_sequences=False,
        read=lambda _: Tensors(inputs, lambda i, part: f"inputs[{i}].{part}"),
        deadline=deadline,
    )
    requests.submit(request, lambda _: said.append("answered"), lambda error: said.append(type(error)))
    house.finish()
    assert said == [DeadlineExceeded]
    assert house.model.counters.requests_failed == 1
    assert requests.held_bytes == 0


def cancel_in_its_own_answer(house):
    sequence = house.add(3)
    sequence.done = house.model.cancel
    house.added.pop()


def cancel_a_mate_when_one_is_done(house):
    mate = house.add(30)
    house.add(2).done = lambda _: house.model.cancel(mate)
    house.added.pop()


def join_when_one_is_done(house):
    house.add(2).done = lambda _: house.add(5)
    house.added.pop()


def expire_and_cancel_at_once(house):
    sequence = house.add(20, deadline=house.now + 0.05)
    house.turn()
    house.now += 1
    house.model.cancel(sequence)


def cancel_the_only_one_before_the_first_tick(house):
    house.model.cancel(house.add(5))


def fail_while_one_was_cancelled(house):
    sequence = house.add(5)
    house.add(5)
    house.model.cancel(sequence)
    house.engine.failing = True


RACES = [
    cancel_in_its_own_answer,
    cancel_a_mate_when_one_is_done,
    join_when_one_is_done,
    expire_and_cancel_at_once,
    cancel_the_only_one_before_the_first_tick,
    fail_while_one_was_cancelled,
]


@pytest.mark.parametrize("race", RACES)
@pytest.mark.parametrize("whole", [False, True])
def test_races_leave_the_house_in_order(race, whole):
    house = House(rows=2, steps=4, whole=whole)
    house.add(30)
    race(house)
    house.finish()
    house.check()
