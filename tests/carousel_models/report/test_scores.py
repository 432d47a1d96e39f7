"""Readings of the test split: what they are, and when a model may be said to beat its baseline."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carousel_models.data.examples import Examples, Splits
from carousel_models.report.scores import Scores, judge


def splits(truth: object, task: str = "forecast") -> Splits:
    """Make splits of which only the test's truth matters."""
    truth = np.array(truth)
    part = Examples(tuple(np.zeros((1, 1), np.float32) for _ in truth), truth, np.arange(len(truth)))
    return Splits(task, ("x",), part, part, part)


def judged(truth: object, said: object, *, task: str = "forecast", **baselines: object) -> Scores:
    """Judge answers beside baselines."""
    others = {name: np.array(says) for name, says in baselines.items()}
    return judge(splits(truth, task), "test", np.array(said, np.float32), others, {"x": "mm"})


def test_figures_are_those_of_the_textbook():
    """MSE, MAE and R2 = 1 - SSE / SST, each with its unit."""
    scores = judged([[1.0], [2.0], [3.0]], [[1.0], [2.0], [5.0]], mean=[[2.0]] * 3).scores
    assert [(s.metric, s.unit) for s in scores] == [("mse", "(mm)²"), ("mae", "mm"), ("r2", "")]
    assert [s.model for s in scores] == pytest.approx([4 / 3, 2 / 3, -1])
    assert [s.baselines["mean"] for s in scores] == pytest.approx([2 / 3, 2 / 3, 0])


def test_a_model_that_is_not_better_is_called_so_by_the_names_of_what_it_is_not_better_than():
    """The verdict is plain, and a draw is no win."""
    truth = [[1.0], [2.0]]
    scores = judged(truth, [[1.0], [3.0]], ridge=truth, persistence=[[9.0], [9.0]], season=[[1.0], [1.0]])
    assert scores.unbeaten == ("ridge", "season")
    assert str(scores) == (
        "The model is not better than ridge and season on the test split: x MSE 0.5 against 0 and 0.5 (mm)². "
        "Use the simpler method, or let carousel tune look for a better recipe."
    )


def test_classes_are_judged_by_accuracy():
    """The greatest output is the class that a model says."""
    scores = judged([0, 1, 1], [[9, 1], [2, 3], [5, 4]], task="classify", majority=[0, 0, 0])
    assert str(scores) == "The model is better than majority on the test split: accuracy 0.6667 against 0.3333."


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=20), st.floats(-1e3, 1e3, width=32))
def test_figures_are_always_finite(truth, said):
    """Even where the truth never varies, so that JSON can hold them."""
    column = np.array(truth, np.float32)[:, None]
    scores = judged(column, np.full_like(column, said), itself=column)
    assert np.isfinite([[score.model, score.baselines["itself"]] for score in scores.scores]).all()
