"""Windows and splits: what is to be forecast is never seen before."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carousel_models.data import windows as cutting
from carousel_models.data.examples import Examples
from carousel_models.data.splits import forecast_splits, windows
from carousel_models.data.table import Table
from carousel_models.recipe import TableSource
from carousel_models.refusals import SourceRefused
from carousel_models.training.scaling import moments

POLICIES = ("interpolate", "forward-fill", "drop")


def source(**said: object) -> TableSource:
    """Give a source of columns a and b that forecasts b."""
    return TableSource(
        **{"kind": "table", "file": "f.csv", "features": ("a", "b"), "targets": ("b",), "timesteps": 3} | said
    )


def table(values: object) -> Table:
    """Make a table of one series, whose rows are numbered from 0."""
    array = np.array(values, np.float32)
    count = len(array)
    return Table(array, array[:, :0], array[:, 1:], np.arange(count), (("", slice(0, count)),))


def numbered(rows: int, lost: set[tuple[int, int]] = frozenset()) -> Table:
    """Column a counts rows, column b is a thousand more; NaN where `lost` says."""
    values = np.stack([np.arange(rows), 1000 + np.arange(rows)], axis=1).astype(np.float32)
    for row, column in lost:
        values[row % rows, column] = np.nan
    return table(values)


def cut(rows: Table, asked: TableSource, first: int = 0) -> Examples:
    """Cut windows of the rows from `first` on."""
    stretch = slice(first, len(rows))
    return windows(rows, rows.filled(asked.missing, [stretch]), asked, [stretch])


sizes = st.tuples(st.integers(1, 40), st.integers(1, 6), st.integers(1, 4))
losses = st.sets(st.tuples(st.integers(0, 39), st.integers(0, 1)), max_size=8)


@given(sizes)
def test_a_target_is_exactly_horizon_rows_after_its_window(size):
    """Window i is rows i to i + timesteps - 1, its target row i + timesteps - 1 + horizon; none is left out."""
    rows, timesteps, horizon = size
    examples = cut(numbered(rows), source(timesteps=timesteps, horizon=horizon))
    assert len(examples) == max(0, rows - timesteps - horizon + 1)
    for i, window in enumerate(examples.inputs):
        end = i + timesteps - 1
        np.testing.assert_array_equal(window[:, 0], np.arange(i, end + 1))
        assert examples.targets[i] == 1000 + end + horizon
        assert examples.guesses["persistence"][i] == 1000 + end
        assert examples.at[i] == end + horizon


@given(sizes, losses, st.sampled_from(POLICIES), st.data())
def test_no_window_knows_what_comes_after_it(size, lost, missing, draw):
    """Whatever happens from some row on, windows that end before it, and what baselines say, stay as they are."""
    rows, timesteps, horizon = size
    before = numbered(rows, lost)
    change = draw.draw(st.integers(0, rows))
    after = table(np.where(np.arange(rows)[:, None] >= change, before.features - 7, before.features))
    asked = source(timesteps=timesteps, horizon=horizon, missing=missing, season=horizon + 2)
    first, second = cut(before, asked), cut(after, asked)
    for i, at in enumerate(first.at):
        if at - horizon < change:
            np.testing.assert_array_equal(first.inputs[i], second.inputs[i])
            for guess in ("persistence", "seasonal persistence"):
                np.testing.assert_array_equal(first.guesses[guess][i], second.guesses[guess][i])


@given(sizes, losses, st.sampled_from(POLICIES))
def test_every_value_is_there_and_every_target_was_measured(size, lost, missing):
    """Missing values never reach a model, and no figure is made of filled ones."""
    rows, timesteps, horizon = size
    holed = numbered(rows, lost)
    examples = cut(holed, source(timesteps=timesteps, horizon=horizon, missing=missing))
    for window, target, at in zip(examples.inputs, examples.targets, examples.at, strict=True):
        assert np.isfinite(window).all()
        assert target == holed.features[at, 1]
        if missing == "drop":
            end = at - horizon
            np.testing.assert_array_equal(window, holed.features[end - timesteps + 1 : end + 1])


@given(st.integers(1, 30), st.integers(1, 3), st.integers(0, 9), st.sets(st.integers(0, 39), max_size=8))
def test_the_seasonal_guess_is_what_was_measured_a_season_before(season, horizon, first, lost):
    """Rows before the split count, and where nothing was measured then, it is what was measured last."""
    holed = numbered(40, {(row, 1) for row in lost})
    asked = source(season=season + horizon, horizon=horizon, missing="forward-fill")
    examples = cut(holed, asked, first)
    for at, last, guess in zip(
        examples.at, examples.guesses["persistence"], examples.guesses["seasonal persistence"], strict=True
    ):
        before = at - season - horizon
        assert guess == (1000 + before if before >= 0 and before not in lost else last)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4, unique=True), st.integers(1, 4), losses)
def test_several_horizons_are_the_horizons_one_by_one(horizons, timesteps, lost):
    """The outputs are those of the nearest, then those of the next; where one's target is missing, all are left out."""
    horizons = tuple(sorted(horizons))
    holed = numbered(40, lost)
    asked = source(horizon=horizons, timesteps=timesteps, missing="drop")
    assert asked.outputs == tuple(f"b +{horizon}" for horizon in horizons)
    examples = cut(holed, asked)
    for window, targets, at, guess in zip(
        examples.inputs, examples.targets, examples.at, examples.guesses["persistence"], strict=True
    ):
        end = at - horizons[0]
        np.testing.assert_array_equal(targets, holed.features[[end + horizon for horizon in horizons], 1])
        np.testing.assert_array_equal(guess, [window[-1, 1]] * len(horizons))
    one = {horizon: cut(holed, source(horizon=horizon, timesteps=timesteps, missing="drop")) for horizon in horizons}
    common = set.intersection(*({int(at) - horizon for at in part.at} for horizon, part in one.items()))
    assert {int(at) - horizons[0] for at in examples.at} == common


@given(st.integers(1, 4), st.integers(1, 3))
def test_what_is_known_ahead_is_given_as_it_will_be(timesteps, horizon):
    """Each timestep holds its own features, and what will be known at each of its horizons."""
    plain = numbered(20)
    known = Table(plain.features, plain.features[:, :1], plain.targets, plain.at, plain.series)
    asked = source(horizon=(horizon, horizon + 2), timesteps=timesteps, known=("a",))
    assert asked.inputs == ("a", "b", f"a +{horizon}", f"a +{horizon + 2}")
    for window in cut(known, asked).inputs:
        np.testing.assert_array_equal(window[:, 2], window[:, 0] + horizon)
        np.testing.assert_array_equal(window[:, 3], window[:, 0] + horizon + 2)


@given(
    st.lists(st.integers(25, 60), min_size=1, max_size=3),
    st.sets(st.integers(0, 150), max_size=10),
    st.floats(0.2, 0.3),
    st.floats(0.2, 0.3),
    st.integers(1, 3),
    st.sampled_from([1, 2, (1, 2)]),
    st.integers(0, 1),
)
def test_no_window_crosses_a_split_a_group_or_a_gap_and_scaling_sees_the_training_rows_alone(
    tmp_path_factory, lengths, gone, validation, test, timesteps, horizon, back
):
    """Each row of the files is in one split at most, each window in consecutive days of one shop."""
    days = pd.date_range("2024-01-01", periods=max(lengths))
    rows = pd.DataFrame(
        [(day, f"shop {shop}", 1000 * shop + i) for shop, n in enumerate(lengths) for i, day in enumerate(days[:n])],
        columns=["day", "shop", "a"],
    )
    rows["b"] = rows["a"]
    # Never the first rows, so that a day remains the commonest step of each shop.
    rows = rows[~(rows.index.isin(gone) & (rows["a"] % 1000 > 4))].sample(frac=1, random_state=1)
    rows = rows.sort_values(["day", "shop"], kind="stable")
    folder = tmp_path_factory.mktemp("shops")
    rows.to_csv(folder / "f.csv", index=False)
    asked = source(
        time="day",
        group="shop",
        timesteps=timesteps,
        horizon=horizon,
        validation=validation,
        test=test,
        missing="drop",
    )
    try:
        splits = forecast_splits(asked, folder, back=back)
    except SourceRefused as refusal:
        assert "rows" in str(refusal)  # noqa: PT017 - so many days may be gone that no window is left
        return
    held = {}
    for split in ("train", "validation", "test"):
        examples = getattr(splits, split)
        held[split] = set()
        for window, targets in zip(examples.inputs, examples.targets, strict=True):
            own = [*window[:, 0]]
            np.testing.assert_array_equal(np.diff(own), 1)  # consecutive days: neither a gap nor another shop
            np.testing.assert_array_equal(targets, own[-1] + np.array(asked.horizons))
            assert {value // 1000 for value in (*own, *targets)} == {own[0] // 1000}
            held[split] |= {*own, *targets}
    assert not held["train"] & held["validation"]
    assert not held["validation"] & held["test"]
    assert not held["train"] & held["test"]
    for shop in range(len(lengths)):
        own = [[row for row in held[split] if row // 1000 == shop] for split in held]
        ends = [(min(part), max(part)) for part in own if part]
        assert ends == sorted(ends)
    # What the model is scaled by is made of what the training windows hold, each row once.
    inputs = np.array(sorted({value for window in splits.train.inputs for value in window[:, 0]}))
    mean, variance = moments(splits.train.rows())
    np.testing.assert_allclose([mean[0], variance[0]], [inputs.mean(), inputs.var() or 1], rtol=1e-5)


@given(st.lists(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=9), min_size=1, max_size=6))
def test_moments_in_chunks_are_those_of_all_rows(chunks):
    """Whatever the chunks are."""
    arrays = [np.array(chunk, np.float32)[:, None] for chunk in chunks]
    whole = np.concatenate(arrays).astype(np.float64)
    mean, variance = moments(arrays)
    np.testing.assert_allclose(mean, whole.mean(axis=0), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(variance, whole.var(axis=0) if whole.var() > 0 else [1.0], rtol=1e-3, atol=1e-3)


def test_rows_of_windows_come_in_chunks(monkeypatch):
    """Each once, also where windows overlap or leave rows between them."""
    monkeypatch.setattr(cutting, "CHUNK", 2)
    rows = np.arange(10, dtype=np.float32)[:, None]
    some = cutting.Windows(rows, rows[:, :0], (1,), np.array([0, 1, 6]), 2)
    assert [chunk[:, 0].tolist() for chunk in some.rows()] == [[0, 1], [2, 6], [7]]


def test_walking_back_leaves_the_latest_rows_away(tmp_path):
    """One step back, the test split is what was the rows before it, and the later rows are in no split."""
    path = write(tmp_path, [f"{i},{i}" for i in range(100)])
    now, before = (forecast_splits(source(timesteps=1, test=0.2), path.parent, back=back) for back in (0, 1))
    assert (now.test.targets.min(), now.test.targets.max()) == (81, 99)
    assert (before.test.targets.min(), before.test.targets.max()) == (61, 79)
    with pytest.raises(SourceRefused, match="too few rows: the"):
        forecast_splits(source(test=0.4), path.parent, back=2)


def write(folder: Path, rows: list[str]) -> Path:
    """Write rows below the names a and b."""
    path = folder / "f.csv"
    path.write_text("a,b\n" + "\n".join(rows) + "\n", "utf-8")
    return path


def test_interpolation_never_reaches_across_a_split(tmp_path):
    """A gap at the end of the training rows is not filled from the first test rows: it is left out."""
    rows = [f"{i},{i}" for i in range(100)]
    rows[69] = ","
    write(tmp_path, rows)
    splits = forecast_splits(source(missing="interpolate", timesteps=2), tmp_path)
    assert max(splits.train.targets) == 68
    assert max(np.concatenate(list(splits.train.inputs))[:, 0]) == 67


def test_too_few_rows_are_refused(tmp_path):
    """The message names the split, what it has and what it needs."""
    path = write(tmp_path, [f"{i},{i}" for i in range(20)])
    with pytest.raises(SourceRefused) as caught:
        forecast_splits(source(), tmp_path)
    assert str(caught.value) == (
        f"{path}: too few rows: the validation split has 3, and timesteps 3 with horizon 1 need 4. "
        "Give more rows, fewer timesteps or other fractions for validation and test."
    )


def test_a_split_without_a_whole_window_is_refused(tmp_path):
    """The message names the policy that left nothing."""
    write(tmp_path, [f"{i},{i if i % 2 else ''}" for i in range(100)])
    with pytest.raises(SourceRefused, match=r"no window of the train split is complete: with missing = \"drop\""):
        forecast_splits(source(missing="drop"), tmp_path)
