"""A recipe's source as examples: windows of a table, split in order of time."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from carousel.tensors import Floats
from carousel_models.data.examples import Examples, Splits
from carousel_models.data.labelled import labelled_splits
from carousel_models.data.table import Table, read_table
from carousel_models.recipe import AeonSource, CsvSource, Recipe
from carousel_models.refusals import SourceRefused


def splits_of(recipe: Recipe, folder: Path, longest: int = 1) -> Splits:
    """Read the source of `recipe`, whose file lies in `folder`.

    Args:
        recipe: What to read.
        folder: Where the recipe's file lies.
        longest: Leave out what a window of so many timesteps could not forecast, so that recipes of other timesteps
            are judged by the same targets.

    Raises:
        SourceRefused: The source yields no examples; the message says what to change.
    """
    if isinstance(recipe.source, AeonSource):
        return labelled_splits(recipe.source, recipe.seed)
    return forecast_splits(recipe.source, folder / recipe.source.file, longest)


def forecast_splits(source: CsvSource, path: Path, longest: int = 1) -> Splits:
    """Cut the CSV file at `path` into windows to forecast from.

    The earliest rows train, the latest test, and every window with its target lies inside one split: no row is in two.

    Raises:
        SourceRefused: The file, a column or a value is not what it should be, or a split has no window.
    """
    table = read_table(
        path,
        tuple(dict.fromkeys(source.features + source.targets)),
        time=source.time,
        missing=source.missing,
        separator=source.separator,
        na_values=source.na_values,
    )
    test = round(len(table) * source.test)
    validation = round(len(table) * source.validation)
    train = len(table) - validation - test
    bounds = {"train": (0, train), "validation": (train, train + validation), "test": (train + validation, len(table))}
    parts = {split: _part(path, split, table, slice(*rows), source, longest) for split, rows in bounds.items()}
    return Splits("forecast", source.targets, **parts)


def windows(table: Table, source: CsvSource, rows: slice = slice(None), longest: int = 1) -> Examples:
    """Cut windows of `source.timesteps` rows of `source.features`, each with the targets `source.horizon` rows later.

    A window is left out where a value of its own or its target's is missing after `source.missing` was applied. A
    target must have been measured, and under "interpolate" so must a window's last row: a filled one was drawn
    towards rows that come after the window.

    Args:
        table: All rows there are.
        source: What to cut.
        rows: Windows, targets and what fills a missing value are of these rows alone. Only the seasonal baseline looks
            at what was measured before them.
        longest: No window ends before so many of these rows.
    """
    part = table[rows]
    filled = part.filled(source.missing)
    ends = np.arange(max(source.timesteps, longest) - 1, len(part) - source.horizon)
    if not len(ends):
        none = part.of(source.targets)[:0]
        return Examples((), none, part.at[:0], {"persistence": none})
    features = filled.of(source.features)
    inputs = sliding_window_view(features, source.timesteps, axis=0)[ends - source.timesteps + 1].swapaxes(1, 2)
    targets = part.of(source.targets)[ends + source.horizon]
    last = filled.of(source.targets)[ends]
    whole = _whole(inputs) & _whole(targets) & _whole(last)
    if source.missing == "interpolate":
        whole &= _whole(part.values[ends])
    guesses = {"persistence": last[whole]}
    if source.season is not None:
        first = rows.indices(len(table))[0]
        before = ends[whole] + source.horizon - source.season + first
        guesses["seasonal persistence"] = _seasonal(table.of(source.targets), before, last[whole])
    return Examples(
        tuple(np.ascontiguousarray(window) for window in inputs[whole]),
        targets[whole],
        part.at[ends + source.horizon][whole],
        guesses,
    )


def _seasonal(measured: Floats, before: NDArray[np.int64], last: Floats) -> Floats:
    """Give what was measured in the rows `before`; where nothing was, what was measured last."""
    season = measured[np.maximum(before, 0)]
    known = (before >= 0)[:, None] & np.isfinite(season)
    return np.where(known, season, last)


def _part(path: Path, split: str, table: Table, rows: slice, source: CsvSource, longest: int) -> Examples:
    timesteps = max(source.timesteps, longest)
    count, needed = rows.stop - rows.start, timesteps + source.horizon
    if count < needed:
        raise SourceRefused(
            f"{path}: too few rows: the {split} split has {count}, and timesteps {timesteps} with horizon "
            f"{source.horizon} need {needed}. "
            "Give more rows, fewer timesteps or other fractions for validation and test."
        )
    examples = windows(table, source, rows, longest)
    if not len(examples):
        raise SourceRefused(
            f'{path}: no window of the {split} split is complete: with missing = "{source.missing}" each of its '
            f"{count} rows is too near a missing value. Fill the file, give fewer timesteps or another policy."
        )
    return examples


def _whole(values: NDArray[Any]) -> NDArray[np.bool_]:
    whole: NDArray[np.bool_] = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    return whole
