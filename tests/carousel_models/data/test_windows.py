"""Windows and splits: what is to be forecast is never seen before."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carousel_models.data.table import Table
from carousel_models.data.windows import forecast_splits, windows
from carousel_models.recipe import CsvSource
from carousel_models.refusals import SourceRefused

POLICIES = ("interpolate", "forward-fill", "drop")


def source(**said: object) -> CsvSource:
    """Give a source of columns a and b that forecasts b."""
    return CsvSource(
        **{"kind": "csv", "file": "f.csv", "features": ("a", "b"), "targets": ("b",), "timesteps": 3} | said
    )


def table(values: object) -> Table:
    """Make a table whose rows are numbered from 0."""
    array = np.array(values, np.float32)
    return Table(("a", "b"), array, np.arange(len(array)))


def numbered(rows: int, lost: set[tuple[int, int]] = frozenset()) -> Table:
    """Column a counts rows, column b is a thousand more; NaN where `lost` says."""
    values = np.stack([np.arange(rows), 1000 + np.arange(rows)], axis=1).astype(np.float32)
    for row, column in lost:
        values[row % rows, column] = np.nan
    return table(values)


sizes = st.tuples(st.integers(1, 40), st.integers(1, 6), st.integers(1, 4))
losses = st.sets(st.tuples(st.integers(0, 39), st.integers(0, 1)), max_size=8)


@given(sizes)
def test_a_target_is_exactly_horizon_rows_after_its_window(size):
    """Window i is rows i to i + timesteps - 1, its target row i + timesteps - 1 + horizon; none is left out."""
    rows, timesteps, horizon = size
    examples = windows(numbered(rows), source(timesteps=timesteps, horizon=horizon))
    assert len(examples) == max(0, rows - timesteps - horizon + 1)
    for i, window in enumerate(examples.inputs):
        end = i + timesteps - 1
        np.testing.assert_array_equal(window[:, 0], np.arange(i, end + 1))
        assert examples.targets[i] == 1000 + end + horizon
        assert examples.guesses["persistence"][i] == 1000 + end
        assert examples.at[i] == end + horizon


@given(sizes, losses, st.sampled_from(POLICIES), st.data())
def test_no_window_knows_what_comes_after_it(size, lost, missing, draw):
    """Whatever happens from some row on, windows that end before it, and what the baseline says, stay as they are."""
    rows, timesteps, horizon = size
    before = numbered(rows, lost)
    change = draw.draw(st.integers(0, rows))
    after = table(np.where(np.arange(rows)[:, None] >= change, before.values - 7, before.values))
    asked = source(timesteps=timesteps, horizon=horizon, missing=missing)
    for one, other, at, base, base_other in zip(
        (first := windows(before, asked)).inputs,
        (second := windows(after, asked)).inputs,
        first.at,
        first.guesses["persistence"],
        second.guesses["persistence"],
        strict=True,
    ):
        if at - horizon < change:
            np.testing.assert_array_equal(one, other)
            np.testing.assert_array_equal(base, base_other)


@given(sizes, losses, st.sampled_from(POLICIES))
def test_every_value_is_there_and_every_target_was_measured(size, lost, missing):
    """Missing values never reach a model, and no figure is made of filled ones."""
    rows, timesteps, horizon = size
    holed = numbered(rows, lost)
    examples = windows(holed, source(timesteps=timesteps, horizon=horizon, missing=missing))
    for window, target, at in zip(examples.inputs, examples.targets, examples.at, strict=True):
        assert np.isfinite(window).all()
        assert target == holed.values[at, 1]
        if missing == "drop":
            end = at - horizon
            np.testing.assert_array_equal(window, holed.values[end - timesteps + 1 : end + 1])


@given(st.integers(60, 200), st.floats(0.1, 0.4), st.floats(0.1, 0.4), st.integers(1, 3), st.integers(1, 2))
def test_no_row_is_in_two_splits(tmp_path_factory, rows, validation, test, timesteps, horizon):
    """Train comes before validation comes before test, and they share no row, neither as input nor as target."""
    path = tmp_path_factory.mktemp("rows") / "f.csv"
    path.write_text("a,b\n" + "".join(f"{i},{i}\n" for i in range(rows)), "utf-8")
    splits = forecast_splits(source(timesteps=timesteps, horizon=horizon, validation=validation, test=test), path)
    seen = [
        {*np.concatenate(part.inputs)[:, 0], *part.targets[:, 0]}
        for part in (splits.train, splits.validation, splits.test)
    ]
    assert max(seen[0]) < min(seen[1])
    assert max(seen[1]) < min(seen[2])
    assert max(seen[2]) == rows - 1


@given(st.integers(1, 30), st.integers(1, 3), st.integers(0, 9), st.sets(st.integers(0, 39), max_size=8))
def test_the_seasonal_guess_is_what_was_measured_a_season_before(season, horizon, first, lost):
    """Rows before the split count, and where nothing was measured then, it is what was measured last."""
    holed = numbered(40, {(row, 1) for row in lost})
    asked = source(season=season + horizon, horizon=horizon, missing="forward-fill")
    examples = windows(holed, asked, slice(first, 40))
    for at, last, guess in zip(
        examples.at, examples.guesses["persistence"], examples.guesses["seasonal persistence"], strict=True
    ):
        before = at - season - horizon
        assert guess == (1000 + before if before >= 0 and before not in lost else last)


def write(folder: Path, rows: list[str]) -> Path:
    """Write rows below the names a and b."""
    path = folder / "f.csv"
    path.write_text("a,b\n" + "\n".join(rows) + "\n", "utf-8")
    return path


def test_interpolation_never_reaches_across_a_split(tmp_path):
    """A gap at the end of the training rows is not filled from the first test rows: it is left out."""
    rows = [f"{i},{i}" for i in range(100)]
    rows[69] = ","
    splits = forecast_splits(source(missing="interpolate", timesteps=2), write(tmp_path, rows))
    assert max(splits.train.targets) == 68
    assert max(np.concatenate(splits.train.inputs)[:, 0]) == 67


def test_too_few_rows_are_refused(tmp_path):
    """The message names the split, what it has and what it needs."""
    path = write(tmp_path, [f"{i},{i}" for i in range(20)])
    with pytest.raises(SourceRefused) as caught:
        forecast_splits(source(), path)
    assert str(caught.value) == (
        f"{path}: too few rows: the validation split has 3, and timesteps 3 with horizon 1 need 4. "
        "Give more rows, fewer timesteps or other fractions for validation and test."
    )


def test_a_split_without_a_whole_window_is_refused(tmp_path):
    """The message names the policy that left nothing."""
    path = write(tmp_path, [f"{i},{i if i % 2 else ''}" for i in range(100)])
    with pytest.raises(SourceRefused, match=r"no window of the train split is complete: with missing = \"drop\""):
        forecast_splits(source(missing="drop"), path)
