"""Figures of the test split: what they are, and when a model may be said to beat its baseline."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carousel_models.data.examples import Examples, Splits
from carousel_models.report.scores import judge


def splits(truth: object, baseline: object, *, task: str = "forecast") -> Splits:
    """Make splits of which only the test's truth and baseline matter."""
    truth, baseline = np.array(truth), np.array(baseline)
    inputs = tuple(np.zeros((1, 1), np.float32) for _ in truth)
    part = Examples(inputs, truth, baseline, np.arange(len(truth)))
    return Splits(task, ("x",), "persistence", part, part, part)


def test_figures_are_those_of_the_textbook():
    """MSE, MAE and R2 = 1 - SSE / SST, each with its unit."""
    truth, said = [[1.0], [2.0], [3.0]], np.array([[1.0], [2.0], [5.0]], np.float32)
    scores = judge(splits(truth, [[2.0]] * 3), said, {"x": "mm"}).scores
    assert [(s.metric, s.unit) for s in scores] == [("mse", "(mm)²"), ("mae", "mm"), ("r2", "")]
    assert [s.model for s in scores] == pytest.approx([4 / 3, 2 / 3, -1])
    assert [s.baseline for s in scores] == pytest.approx([2 / 3, 2 / 3, 0])


def test_a_model_that_is_worse_is_called_so():
    """The verdict is plain, and a draw is no win."""
    truth = [[1.0], [2.0]]
    worse = judge(splits(truth, truth), np.array([[1.0], [3.0]], np.float32), {})
    draw = judge(splits(truth, truth), np.array(truth, np.float32), {})
    assert not worse.beaten
    assert not draw.beaten
    assert str(worse) == "THE MODEL DOES NOT BEAT persistence on the test split: x MSE 0.5 against 0."


def test_classes_are_judged_by_accuracy():
    """The greatest output is the class that a model says."""
    scores = judge(splits([0, 1, 1], [0, 0, 0], task="classify"), np.array([[9, 1], [2, 3], [5, 4]], np.float32), {})
    assert str(scores) == "The model beats persistence on the test split: accuracy 0.6667 against 0.3333."


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=20), st.floats(-1e3, 1e3, width=32))
def test_figures_are_always_finite(truth, said):
    """Even where the truth never varies, so that JSON can hold them."""
    column = np.array(truth, np.float32)[:, None]
    scores = judge(splits(column, column), np.full_like(column, said), {})
    assert np.isfinite([figure for score in scores.scores for figure in (score.model, score.baseline)]).all()
