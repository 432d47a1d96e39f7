"""A recipe's source as examples: windows of series, split in order of time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carousel.tensors import Floats
from carousel_models.data.examples import Examples, Splits
from carousel_models.data.labelled import labelled_splits
from carousel_models.data.table import Table, read_table
from carousel_models.data.texts import text_splits
from carousel_models.data.windows import Windows, gapless
from carousel_models.recipe import AeonSource, Recipe, TableSource, TextSource
from carousel_models.refusals import SourceRefused

Stretches = Sequence[slice]
"""Rows of one split: a stretch of each series."""


def splits_of(recipe: Recipe, folder: Path, longest: int = 1, back: int = 0) -> Splits:
    """Read the source of `recipe`, whose file lies in `folder`.

    Args:
        recipe: What to read.
        folder: Where the recipe's file lies.
        longest: Leave out what a window of so many timesteps could not forecast, so that recipes of other timesteps
            are judged by the same targets.
        back: Leave away the latest rows, so many times as many as the test split has.

    Raises:
        SourceRefused: The source yields no examples; the message says what to change.
    """
    if isinstance(recipe.source, AeonSource):
        return labelled_splits(recipe.source, recipe.seed)
    if isinstance(recipe.source, TextSource):
        return text_splits(recipe.source, folder, recipe.seed)
    return forecast_splits(recipe.source, folder, longest, back)


def forecast_splits(source: TableSource, folder: Path, longest: int = 1, back: int = 0) -> Splits:
    """Cut the files of `source` into windows to forecast from.

    The earliest rows of each series train, the latest test, and every window with its targets lies inside one split of
    one series: no row is in two.

    Raises:
        SourceRefused: A file, a column or a value is not what it should be, or a split has no window.
    """
    table = read_table(source, folder)
    stretches = _stretches(table, source, back)
    filled = table.filled(source.missing, [stretch for split in stretches.values() for stretch in split])
    train, validation, test = (
        _part(folder / source.file, split, table, filled, source, rows, longest) for split, rows in stretches.items()
    )
    return Splits("forecast", source.outputs, train, validation, test, missing=_missing(table, source))


def windows(table: Table, filled: Table, source: TableSource, stretches: Stretches, longest: int = 1) -> Examples:
    """Cut windows of `source.timesteps` rows, each with the targets `source.horizon` rows after its last.

    A window is left out where a value of its own or its targets' is missing after `source.missing` was applied. A
    target must have been measured, and under "interpolate" so must a window's last row: a filled one was drawn
    towards rows that come after the window.

    Args:
        table: All rows there are, as they were measured.
        filled: The same rows after `source.missing` was applied.
        source: What to cut.
        stretches: Windows and targets are of these rows alone. Only the seasonal baseline looks at what was measured
            before them.
        longest: No window ends before so many rows of its stretch.
    """
    horizons = np.array(source.horizons)
    ends = np.concatenate(
        [
            np.arange(rows.start + max(source.timesteps, longest) - 1, rows.stop - horizons[-1], dtype=np.int64)
            for rows in stretches
        ]
    )
    starts = ends - source.timesteps + 1
    whole = gapless(filled.features, starts, source.timesteps) & gapless(filled.targets, ends, 1)
    for horizon in source.horizons:
        whole &= gapless(table.targets, ends + horizon, 1) & gapless(filled.known, starts + horizon, source.timesteps)
    if source.missing == "interpolate":
        whole &= gapless(table.features, ends, 1) & gapless(table.targets, ends, 1)
    starts, ends = starts[whole], ends[whole]
    last = np.tile(filled.targets[ends], (1, len(horizons)))
    guesses = {"persistence": last}
    if source.season is not None:
        past = [_season_before(table, ends + horizon, source.season) for horizon in horizons]
        before = np.concatenate(past, axis=1)
        guesses["seasonal persistence"] = np.where(np.isfinite(before), before, last)
    return Examples(
        Windows(filled.features, filled.known, source.horizons, starts, source.timesteps),
        np.concatenate([table.targets[ends + horizon] for horizon in horizons], axis=1),
        table.at[ends + horizons[0]],
        guesses,
    )


def _missing(table: Table, source: TableSource) -> dict[str, int]:
    blocks = ((source.features, table.features), (source.known, table.known), (source.targets, table.targets))
    columns = [(name, block[:, i]) for names, block in blocks for i, name in enumerate(source.encoded(names))]
    return {name: int(np.isnan(column).sum()) for name, column in columns}


def _stretches(table: Table, source: TableSource, back: int) -> dict[str, list[slice]]:
    stretches: dict[str, list[slice]] = {"train": [], "validation": [], "test": []}
    for _, rows in table.series:
        count = rows.stop - rows.start
        test, validation = round(count * source.test), round(count * source.validation)
        end = rows.stop - back * test
        stretches["test"].append(slice(end - test, end))
        stretches["validation"].append(slice(end - test - validation, end - test))
        stretches["train"].append(slice(rows.start, max(rows.start, end - test - validation)))
    return stretches


def _season_before(table: Table, rows: NDArray[np.int64], season: int) -> Floats:
    """Give what was measured a season before `rows` in the same series; NaN where nothing was."""
    first = np.zeros(len(table), np.int64)
    for _, series in table.series:
        first[series] = series.start
    before = rows - season
    measured = table.targets[np.maximum(before, 0)]
    return np.where((before >= first[rows])[:, None], measured, np.float32(np.nan))


def _part(
    path: Path, split: str, table: Table, filled: Table, source: TableSource, rows: Stretches, longest: int
) -> Examples:
    timesteps, horizon = max(source.timesteps, longest), source.horizons[-1]
    most, needed = max(stretch.stop - stretch.start for stretch in rows), timesteps + horizon
    if most < needed or min(stretch.start for stretch in rows) < 0:
        raise SourceRefused(
            f"{path}: too few rows: the {split} split has {max(most, 0)}, and timesteps {timesteps} with horizon "
            f"{horizon} need {needed}. Give more rows, fewer timesteps or other fractions for validation and test."
        )
    examples = windows(table, filled, source, rows, longest)
    if not len(examples):
        raise SourceRefused(
            f'{path}: no window of the {split} split is complete: with missing = "{source.missing}" each of its '
            f"{most} rows is too near a missing value. Fill the file, give fewer timesteps or another policy."
        )
    return examples
