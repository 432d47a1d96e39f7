"""The one promise, on the real engine: whatever a schedule does to a sequence, its answer keeps every bit."""

import math
import queue
import threading
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from carousel.artifact import Signature, TensorSpec
from carousel.batching import Admission, Sequence
from carousel.engines import OnnxEngine
from carousel.serving import Lanes, Model, Version
from carousel.serving import model as serving_model
from carousel.testing import flat_costs
from carousel_models.lowering import lower

STACKS = {
    "one": [keras.layers.LSTM(7)],
    "two and a head": [
        keras.layers.Normalization(mean=[0.1] * 3, variance=[2.0] * 3),
        keras.layers.LSTM(16, return_sequences=True),
        keras.layers.LSTM(9, activation="relu"),
        keras.layers.Dense(5, activation="tanh"),
        keras.layers.Dense(2),
    ],
    "wide": [keras.layers.LSTM(33, return_sequences=True), keras.layers.LSTM(24, use_bias=False)],
}


@pytest.fixture(scope="module", params=STACKS)
def lowered(request):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((None, 3)), *STACKS[request.param]])
    graph = lower(model)
    return SimpleNamespace(states=graph.states, units=model.output_shape[-1]), OnnxEngine(graph.content)


class Threads:
    """An engine that remembers the threads it ran on."""

    def __init__(self, engine):
        self._engine = engine
        self.seen = set()

    def run(self, inputs, state):
        self.seen.add(threading.get_ident())
        return self._engine.run(inputs, state)

    def __getattr__(self, name):
        return getattr(self._engine, name)


class Posts:
    """What other threads bring back to the loop, in whatever order they are done."""

    def __init__(self):
        self._posts = queue.SimpleQueue()

    def __call__(self, function):
        self._posts.put(function)

    def settle(self, *, wait):
        """Call what came; where the loop has nothing else to do, wait for it."""
        while not self._posts.empty() or wait:
            self._posts.get(timeout=10)()
            wait = False


def turning(stack, engine, rows, steps, now, posts, lanes):
    spec = TensorSpec("inputs", "float32", (None, None, 3))
    signature = Signature(spec, spec, TensorSpec("last_step", "float32", (None, stack.units)))
    version = Version("m", 1, signature, stack.states, "00" * 32, engine, flat_costs(rows, steps), "", True)
    return Model(version, Admission(math.inf), posts, lambda: now[0], lanes=lanes)


def alone(stack, engine, sequence):
    """What the sequence gets alone and whole, from the state it began with."""
    width = sum(state.units for state in stack.states)
    start = np.zeros((1, width), np.float32) if sequence.began is None else sequence.began[None]
    outputs, state = engine.run(np.ascontiguousarray(sequence.whole[:, None]), start)
    return (outputs[:, 0] if sequence.return_sequences else outputs[-1, 0]), state[0]


class Ride(Sequence):
    """A sequence that remembers how it began, and how often it was answered."""

    __slots__ = ("answers", "began", "whole")


def ride(chance, width, steps, now):
    answers = []
    begun = chance.standard_normal(width).astype(np.float32) if chance.random() < 0.3 else None
    sequence = Ride(
        steps,
        answers.append,
        return_sequences=bool(chance.random() < 0.5),
        return_state=bool(chance.random() < 0.5),
        state=begun,
        deadline=now + chance.exponential(0.5) if chance.random() < 0.1 else math.inf,
    )
    sequence.answers, sequence.began, sequence.whole = answers, begun, steps
    return sequence


@pytest.fixture(scope="module")
def lanes():
    threads = Lanes(3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving_model, "HAND_OVER", 0.0)  # seconds: every tick beside which something else can be done
        yield threads
    threads.close()


def check(stack, engine, seed, lanes=None):
    """Run one random schedule: joins, parks, cancels, expiries, chunkings, batch-mates. Return the answers compared."""
    chance = np.random.default_rng(seed)
    now = [0.0]
    posts = Posts()
    model = turning(stack, engine, int(chance.integers(1, 9)), int(chance.integers(1, 12)), now, posts, lanes)
    fed, cancelled = [], set()
    width = model.version.state_width
    for _ in range(int(chance.integers(1, 25))):
        for _ in range(int(chance.poisson(1.5))):
            length = int(min(60, 1 + chance.lognormal(1.5, 1.2)))
            sequence = ride(chance, width, chance.standard_normal((length, 3)).astype(np.float32), now[0])
            fed.append(sequence)
            model.submit([sequence])
        if fed and chance.random() < 0.2:
            victim = fed[int(chance.integers(len(fed)))]
            if not victim.over:
                model.cancel(victim)
                cancelled.add(victim)
        posts.settle(wait=False)
        if model.busy:
            model.turn()
        now[0] += float(chance.exponential(0.01))
    while model.waiting or model.running or model.busy or model._away:
        if model.busy:
            model.turn()
        posts.settle(wait=bool(model._away) and not model.busy)
        now[0] += 0.002
    assert model.backlog == 0.0
    assert model.counters.padded_steps == 0
    assert not any(sequence.answers for sequence in cancelled)
    admitted = [sequence for sequence in fed if sequence not in cancelled]
    assert all(sequence.answers == [sequence] for sequence in admitted), "each gets exactly one answer"
    answered = [sequence for sequence in admitted if sequence.error is None]
    for sequence in answered:
        outputs, state = alone(stack, engine, sequence)
        assert sequence.output.tobytes() == outputs.tobytes()
        assert not sequence.return_state or sequence.state.tobytes() == state.tobytes()
    return len(answered)


def test_no_schedule_changes_a_bit(lowered):
    stack, engine = lowered
    assert sum(check(stack, engine, seed) for seed in range(200)) > 1000


def test_no_schedule_over_lanes_changes_a_bit(lowered, lanes):
    """Ticks run side by side on threads, and are back in any order."""
    stack, engine = lowered
    threads = Threads(engine)
    assert sum(check(stack, threads, seed, lanes) for seed in range(100)) > 500
    assert len(threads.seen) == 1 + lanes.count, "the loop's own and each lane's"


@pytest.mark.soak
def test_no_schedule_of_ten_thousand_changes_a_bit(lowered):
    stack, engine = lowered
    assert sum(check(stack, engine, seed) for seed in range(10_000, 13_400)) > 17_000


@pytest.mark.soak
def test_no_schedule_over_lanes_of_ten_thousand_changes_a_bit(lowered, lanes):
    stack, engine = lowered
    assert sum(check(stack, engine, seed, lanes) for seed in range(20_000, 23_400)) > 17_000
