"""The cost model: measured where it can be, straight between, and honest about what pays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carousel.artifact import Signature, TensorSpec
from carousel.batching import TICK, Costs, Scheduler, Sequence
from carousel.engines import profile

SIGNATURE = Signature(
    TensorSpec("inputs", "float32", (None, None, 3)), None, TensorSpec("last_step", "float32", (None, 2))
)


def test_between_measured_counts_a_step_costs_what_the_line_says():
    costs = Costs(10e-6, {1: 10e-6, 4: 16e-6, 8: 40e-6})
    assert [costs.step_seconds(rows) for rows in (1, 2, 4, 6)] == pytest.approx([10e-6, 12e-6, 16e-6, 28e-6])
    assert costs.tick_seconds(4, 10) == pytest.approx(170e-6)


def test_a_tick_is_as_long_as_fits_and_at_least_a_step():
    costs = Costs(100e-6, {1: 10e-6, 2: 1.0})
    assert costs.tick_steps(1) == pytest.approx((TICK - 100e-6) / 10e-6, abs=1)
    assert costs.tick_steps(2) == 1


def test_rows_that_do_not_pay_are_not_ridden():
    assert Costs(0, {1: 1e-3, 2: 2e-3, 4: 4e-3}).rows == 1
    assert Costs(0, {1: 1e-3, 2: 1e-3, 4: 1e-3}).rows == 4


def test_the_shorter_the_ticks_the_more_rows_pay():
    """A call and Python around it are paid once a tick, and rows share them."""
    costs = Costs(100e-6, {rows: 10e-6 * rows for rows in (1, 2, 4, 8, 16, 32)})
    seats = [costs.rows_for(steps) for steps in range(1, 100)]
    assert seats == sorted(seats, reverse=True)
    assert costs.max_rows == seats[0] > seats[-1] == costs.rows


@given(
    st.dictionaries(st.sampled_from((2, 4, 6, 8, 12, 16, 24, 32, 48, 64)), st.floats(1e-7, 1e-2)),
    st.floats(1e-7, 1e-2),
    st.floats(0, 1e-3),
)
def test_whatever_was_measured_every_number_of_rows_that_may_ride_has_its_cost(several, single, call):
    """A disturbed profile may say anything; those who ride by it must never be out of its bounds."""
    costs = Costs(call, {1: single} | several)
    assert max(costs.rows_for(steps) for steps in range(1, 20)) == costs.max_rows
    scheduler = Scheduler(costs, 1)
    for _ in range(costs.max_rows + 5):
        scheduler.add(Sequence(np.ones((1, 1), np.float32), lambda _: None), 0.0)
    batch = scheduler.schedule(0.0)
    assert 1 <= len(batch.sequences) <= costs.max_rows
    assert batch.predicted > 0


def test_rows_may_pay_more_where_ticks_are_longer():
    """It is no rule that the shortest ticks carry the most rows: all that are short and urgent still find a place."""
    costs = Costs(0.0, {rows: 40e-6 + rows * 1e-6 for rows in (1, 2, 4, 8, 16, 32, 48, 64)})
    assert costs.max_rows == costs.rows > costs.rows_for(1)
    scheduler = Scheduler(costs, 1)
    for _ in range(64):
        scheduler.add(Sequence(np.ones((10, 1), np.float32), lambda _: None), 0.0)
    assert len(scheduler.schedule(0.0).sequences) == 64


def test_a_profile_finds_what_a_call_and_a_step_take():
    """By a clock that the engine itself moves."""

    class Engine:
        now = 0.0

        def run(self, inputs, state):
            steps, rows, _ = inputs.shape
            Engine.now += 50e-6 + steps * (20e-6 + 2e-6 * rows)
            return inputs, state

    costs = profile(Engine(), SIGNATURE, 4, lambda: Engine.now)
    assert costs.call_seconds == pytest.approx(50e-6)
    for rows in (1, 2, 8, 16):
        assert costs.step_seconds(rows) == pytest.approx(20e-6 + 2e-6 * rows)
    assert np.isfinite(costs.work_seconds(5))
    assert costs.run_seconds(1, 10) == pytest.approx(50e-6 + 10 * costs.step_seconds(1))
    assert costs.run_seconds(1, 10) < costs.run_seconds(500, 10) == costs.run_seconds(costs.rows, 10)


def test_no_disturbance_makes_timesteps_free():
    """A neighbour that slows every single step says nothing of what many take: a long ride is still predicted long."""

    class Engine:
        now = 0.0

        def run(self, inputs, state):
            steps = len(inputs)
            Engine.now += 500e-6 if steps == 1 else steps * 40e-6
            return inputs, state

    costs = profile(Engine(), SIGNATURE, 4, lambda: Engine.now)
    assert costs.tick_seconds(1, 100_000) > 0.05
