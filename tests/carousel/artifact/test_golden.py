"""Golden answers: what is near enough, and what is not."""

import numpy as np
import pytest

from carousel.artifact import Golden, disagreement, read_golden, write_golden


def test_golden_answers_come_back_as_they_were_written(tmp_path):
    """Every array, in order; a missing sequence stays missing."""
    rng = np.random.default_rng(0)
    written = [
        Golden(rng.random((3, 2), np.float32), rng.random((3, 4), np.float32), rng.random(4, np.float32)),
        Golden(rng.random((1, 2), np.float32), None, rng.random(4, np.float32)),
    ]
    write_golden(tmp_path / "golden.npz", written)
    for before, after in zip(written, read_golden(tmp_path / "golden.npz"), strict=True):
        assert before.inputs.tobytes() == after.inputs.tobytes()
        assert before.last_step.tobytes() == after.last_step.tobytes()
        assert (before.sequence is None) == (after.sequence is None)


@pytest.mark.parametrize(
    ("answer", "expected", "said"),
    [
        ([1.0, 2.0], [1.0, 2.0], ""),
        ([1e-6, 0.0], [0.0, 0.0], ""),
        ([1000.005, 0.005], [1000.0, 0.0], ""),
        ([1.0, 2.1], [1.0, 2.0], "element [1] is 2.1, expected 2.0 within 2.0e-05"),
        ([np.nan, 2.0], [1.0, 2.0], "element [0] is nan, expected 1.0 within 2.0e-05"),
        ([1.0], [1.0, 2.0], "the shape is [1], expected [2]"),
    ],
)
def test_the_largest_value_measures_the_error(answer, expected, said):
    """Near enough is max|a - b| <= 1e-5 * max(1, max|b|); otherwise the worst element is named."""
    assert disagreement(np.array(answer, np.float32), np.array(expected, np.float32)) == said
