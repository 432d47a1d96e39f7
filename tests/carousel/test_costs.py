"""The cost model: measured where it can be, straight between, and honest about what pays."""

import numpy as np
import pytest

from carousel.costs import TICK, Costs, profile


def test_between_measured_counts_a_step_costs_what_the_line_says():
    costs = Costs(10e-6, {1: 10e-6, 4: 16e-6, 8: 40e-6})
    assert [costs.step(rows) for rows in (1, 2, 4, 6)] == pytest.approx([10e-6, 12e-6, 16e-6, 28e-6])
    assert costs.tick(4, 10) == pytest.approx(170e-6)


def test_a_tick_is_as_long_as_fits_and_at_least_a_step():
    costs = Costs(100e-6, {1: 10e-6, 2: 1.0})
    assert costs.steps(1) == pytest.approx((TICK - 100e-6) / 10e-6, abs=1)
    assert costs.steps(2) == 1


def test_rows_that_do_not_pay_are_not_ridden():
    assert Costs(0, {1: 1e-3, 2: 2e-3, 4: 4e-3}).rows == 1
    assert Costs(0, {1: 1e-3, 2: 1e-3, 4: 1e-3}).rows == 4


def test_the_shorter_the_ticks_the_more_rows_pay():
    """A call and Python around it are paid once a tick, and rows share them."""
    costs = Costs(100e-6, {rows: 10e-6 * rows for rows in (1, 2, 4, 8, 16, 32)})
    seats = [costs.seats(steps) for steps in range(1, 100)]
    assert seats == sorted(seats, reverse=True)
    assert costs.most_rows == seats[0] > seats[-1] == costs.rows


def test_a_profile_finds_what_a_call_and_a_step_take():
    """By a clock that the engine itself moves."""

    class Engine:
        now = 0.0

        def run(self, inputs, state):
            steps, rows, _ = inputs.shape
            Engine.now += 50e-6 + steps * (20e-6 + 2e-6 * rows)
            return inputs, state

    costs = profile(Engine(), 3, 4, None, lambda: Engine.now)
    assert costs.call == pytest.approx(50e-6)
    for rows in (1, 2, 8, 16):
        assert costs.step(rows) == pytest.approx(20e-6 + 2e-6 * rows)
    assert np.isfinite(costs.work(5))
    assert costs.ride(10, 1) == pytest.approx(50e-6 + 10 * costs.step(1))
    assert costs.ride(10, 1) < costs.ride(10, 500) == costs.ride(10, costs.rows)


def test_no_disturbance_makes_timesteps_free():
    """A neighbour that slows every single step says nothing of what many take: a long ride is still predicted long."""

    class Engine:
        now = 0.0

        def run(self, inputs, state):
            steps = len(inputs)
            Engine.now += 500e-6 if steps == 1 else steps * 40e-6
            return inputs, state

    costs = profile(Engine(), 3, 4, None, lambda: Engine.now)
    assert costs.tick(1, 100_000) > 0.05
