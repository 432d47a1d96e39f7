"""Law 9: whatever is raised, wherever, each admitted request gets exactly one answer, and the next one is served."""

import itertools
import queue

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carousel.artifact import Signature, State, TensorSpec
from carousel.batching import Admission
from carousel.serving import Ending, Lanes, Limits, Model, Request, Requests, Sessions, Start, Tensors, Version
from carousel.serving import model as serving_model
from carousel.testing import FakeEngine, flat_costs


class Bug(Exception):
    """What nobody expects."""


class Faulty:
    """Raises at the calls whose numbers were chosen, wherever it was put before."""

    def __init__(self, at):
        self.at = set(at)
        self.calls = itertools.count()

    def before(self, function):
        def run(*arguments, **options):
            if next(self.calls) in self.at:
                raise Bug
            return function(*arguments, **options)

        return run


class House:
    """One model, its requests and its live sequences, with bugs before the places named."""

    def __init__(self, places, at, lanes=None):
        faulty = Faulty(at)
        self.now = 1.0
        engine = FakeEngine()
        spec = TensorSpec("inputs", "float32", (None, None, 1))
        signature = Signature(spec, spec, TensorSpec("last_step", "float32", (None, 1)))
        state = (State(name="sum", units=1),)
        version = Version("m", 1, signature, state, "00" * 32, engine, flat_costs(), "", None)
        self.model = Model(version, Admission(1e9), self._post, lambda: self.now, lanes=lanes)
        self.posts = queue.SimpleQueue()
        self.requests = Requests(self, Limits())
        self.sessions = Sessions(Limits(), max_open=9, max_per_scope=9, idle_seconds=60)
        if "engine" in places:
            engine.run = faulty.before(engine.run)
        self.places, self.faulty = places, faulty
        self._break()
        self.answers = {}

    def _post(self, function):
        self.posts.put(function)

    def _break(self):
        scheduler = self.model._scheduler
        for name in ("schedule", "complete", "ended"):
            if name in self.places:
                setattr(scheduler, name, self.faulty.before(getattr(scheduler, name)))
        if "worked" in self.places:
            self.model._admission.worked = self.faulty.before(self.model._admission.worked)

    def find(self, *_):
        return self.model

    def ask(self, number, timesteps):
        said = self.answers[number] = []
        answer = lambda pending: said.append(pending.sequences[-1].output)  # noqa: E731
        if "writer" in self.places:
            answer = self.faulty.before(answer)
        inputs = [np.ones((timesteps, 1), np.float32), np.ones((1, 1), np.float32)]
        request = Request(
            model="m",
            version=0,
            label="",
            samples=2,
            lengths=lambda: [timesteps, 1],
            size=1000,
            wants_sequences=False,
            read=lambda _: Tensors(inputs, lambda i, part: f"inputs[{i}].{part}"),
        )
        self.requests.submit(request, answer, said.append)

    def turn(self):
        for _ in range(10_000):
            if self.model.busy:
                self.model.turn()
            elif self.model._away:
                self.posts.get(timeout=10)()
            else:
                return
            self.now += 0.003
        raise AssertionError("it never comes to rest")


PLACES = ("engine", "schedule", "complete", "ended", "worked", "writer")


@pytest.fixture(scope="module")
def three_lanes():
    """Threads for ticks; every tick beside which something else can be done goes there."""
    lanes = Lanes(3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving_model, "HAND_OVER", 0.0)  # seconds
        yield lanes
    lanes.close()


faults = given(
    st.sets(st.sampled_from(PLACES), min_size=1),
    st.sets(st.integers(0, 12), min_size=1, max_size=5),
    st.lists(st.integers(1, 30), min_size=1, max_size=6),
)


@faults
def test_each_request_gets_one_answer_and_the_next_is_served(places, at, lengths):
    check(House(places, at), lengths)


@faults
def test_each_request_over_lanes_gets_one_answer_and_the_next_is_served(three_lanes, places, at, lengths):
    """Ticks of the same model run on other threads while one fails, and come back to a scheduler that may be new."""
    check(House(places, at, three_lanes), lengths)


def check(house, lengths):
    for number, timesteps in enumerate(lengths):
        house.ask(number, timesteps)
        if number % 2:
            house.turn()
    house.turn()
    assert all(len(said) == 1 for said in house.answers.values()), house.answers
    assert house.requests.held_bytes == 0
    assert house.model.running == house.model.waiting == 0
    house.places, house.faulty.at = (), set()
    house.ask("next", 5)
    house.turn()
    [answer] = house.answers["next"]
    assert answer.tolist() == [1.0]


@pytest.mark.parametrize("place", ["engine", "complete", "holder"])
def test_each_message_of_a_live_sequence_gets_one_answer(place):
    house, said = House({place}, {0}), []

    class Holder:
        def answered(self, _session, sequence, number):
            if place == "holder" and number == 0:
                raise Bug
            said.append((number, float(sequence.output[0])))

        def failed(self, session, error, numbers):
            house.sessions.end(session, error)
            said.extend((number, type(error).__name__) for number in numbers)

    session = house.sessions.open(house.model, Holder(), "scope", "key", Start(), return_sequences=False)
    one = Tensors([np.ones((1, 1), np.float32)], lambda _, part: f"input.{part}")
    for number in range(3):
        house.sessions.feed(session, one, number)
    house.turn()
    assert sorted(number for number, _ in said) == [0, 1, 2]
    assert len(house.sessions) == 0
    assert house.sessions.end(session, Ending.CLOSED) == []
