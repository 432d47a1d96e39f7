"""Rows are shared out among clients, whatever each of them has waiting."""

import math
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from carousel.batching import Scheduler, Sequence
from carousel.testing import FakeEngine, flat_costs

ROWS, STEPS = 4, 8


class Turning:
    """A scheduler that turns on an engine that adds up, under a clock moved by hand."""

    def __init__(self, rows=ROWS, *, whole=False):
        self.engine = FakeEngine()
        self.scheduler = Scheduler(flat_costs(rows, STEPS), 1, whole=whole)
        self.now = 0.0
        self.served = Counter()

    def add(self, client, timesteps):
        steps = np.ones((timesteps, 1), np.float32)
        sequence = Sequence(steps, lambda _: None, client=client)
        self.scheduler.add(sequence, self.now)
        return sequence

    def tick(self):
        batch = self.scheduler.schedule(self.now)
        if batch is None:
            return
        self.now += 0.003
        for sequence in batch.sequences:
            self.served[sequence.client] += batch.steps
        outputs, state = self.engine.run(batch.inputs(), batch.state)
        self.scheduler.complete(batch, outputs, state, self.now)
        for sequence in self.scheduler.ended():
            assert sequence.output == [sequence.timesteps]


def counted(scheduler):
    """Every count of timesteps and sequences, added up anew from the sequences themselves."""
    here = scheduler.everything()
    assert scheduler.timesteps == sum(sequence.remaining for sequence in here)
    assert scheduler.live == len(here)
    clients = list(scheduler._clients)
    assert {client.name for client in clients} == {sequence.client for sequence in here}
    for client in clients:
        own = [sequence for sequence in here if sequence.client == client.name]
        assert (client.timesteps, client.live) == (sum(sequence.remaining for sequence in own), len(own))


happenings = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from("abc"), st.integers(1, 40)),
        st.tuples(st.just("cancel"), st.integers(0, 200), st.just(0)),
        st.tuples(st.just("tick"), st.just(0), st.just(0)),
    ),
    max_size=120,
)


@settings(deadline=None)
@given(happenings, st.booleans())
def test_sums_stay_exact_and_every_sequence_ends(happenings, whole):
    turning, added = Turning(whole=whole), []
    for what, which, timesteps in happenings:
        if what == "add":
            added.append(turning.add(which, timesteps))
        elif what == "cancel" and added:
            turning.scheduler.cancel(added[which % len(added)])
        else:
            turning.tick()
        counted(turning.scheduler)
    for _ in range(5000):
        if not turning.scheduler.live:
            break
        turning.tick()
    assert all(sequence.over for sequence in added)
    assert (turning.scheduler.backlog, list(turning.scheduler._clients)) == (0.0, [])


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(2, 4), st.booleans())
def test_clients_that_always_have_work_get_as_much_whatever_they_send(long, short, clients, whole):
    turning = Turning(whole=whole)
    names = [str(number) for number in range(clients)]
    lengths = {name: long if number % 2 else short for number, name in enumerate(names)}
    longest = max(long, short)
    while sum(turning.served.values()) < 60 * longest:
        for client in names:
            mine = turning.scheduler._clients.find(client)
            while mine is None or mine.live < 2 * ROWS:
                turning.add(client, lengths[client])
                mine = turning.scheduler._clients.find(client)
        turning.tick()
    served = [turning.served[name] for name in names]
    assert max(served) - min(served) <= (2 * ROWS + 2) * longest


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 200), st.integers(1, 8), st.sampled_from([1, 6]))
def test_a_polite_client_gets_a_row_soon_beside_any_flood(length, asked, floods):
    """One short sequence at a time waits for as much of each other client at most, though hundreds are there."""
    turning = Turning()
    for number in range(600):
        turning.add(f"flood {number % floods}", length)
    for _ in range(20):
        turning.tick()
    others = floods * (asked + math.ceil(length / STEPS)) / ROWS  # ticks in which they get as much
    for _ in range(10):
        polite, ticks = turning.add("polite", asked), 0
        while not polite.over:
            turning.tick()
            ticks += 1
            assert ticks <= asked + 3 + others
            turning.add("flood 0", length)


def test_time_not_used_is_not_saved_up():
    """Who comes back after a long while shares with the others from now on, and does not make up for it."""
    turning = Turning()
    for _ in range(400):
        turning.add("steady", 8)
    for _ in range(60):
        turning.tick()
    for _ in range(400):
        turning.add("back", 8)
    turning.served.clear()
    for _ in range(40):
        turning.tick()
    assert abs(turning.served["back"] - turning.served["steady"]) <= 2 * ROWS * 8
