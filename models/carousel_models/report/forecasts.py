"""Pictures of a forecast: splits, truth beside forecast, errors by horizon and season, residuals."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from carousel_models.data.examples import Examples
from carousel_models.report.looks import BASELINE, KEPT, MODEL, OTHERS, TRUTH, beside, figure_of, say, time_axis
from carousel_models.training.result import Training

MAX_DRAWN = 20_000
"""Points of a cloud; where there are more, every so many-th is drawn."""


def draw_splits(training: Training) -> Figure:
    """Draw the first output over time, each split in its own colour; of many series, the first."""
    splits = training.splits
    figure = figure_of(12, 3.5)
    axes = figure.subplots()
    first: NDArray[Any] = splits.train.at[:1]
    for split, colour in (("train", TRUTH), ("validation", KEPT), ("test", MODEL)):
        examples: Examples = getattr(splits, split)
        rows = _first_series(examples)
        axes.plot(examples.at[rows], examples.targets[rows, 0], color=colour, linewidth=0.9, label=split)
        first = np.concatenate([first[:1], examples.at[rows][-1:]])
    say(axes, "What was learnt from, decided by, and judged by", time_axis(axes, first), _unit(training, 0))
    axes.legend(frameon=False, ncols=3)
    return figure


def draw_forecast(training: Training) -> Figure:
    """Draw the forecast of every output against the truth over the test split, beside the best baseline's."""
    splits, judged = training.splits, training.test
    rows = _first_series(splits.test)
    moments = splits.test.at[rows]
    thin = slice(None, None, -(-len(splits.test) // MAX_DRAWN))
    figure = figure_of(12, 4 * len(splits.outputs))
    lines = figure.subplots(len(splits.outputs), 2, squeeze=False, width_ratios=(3, 1))
    for i, (output, (over_time, cloud)) in enumerate(zip(splits.outputs, lines, strict=True)):
        truth, said = splits.test.targets[:, i], judged.answers[:, i]
        figures = {score.metric: score for score in judged.scores.scores if score.output == output}
        best = min(figures["mse"].baselines, key=lambda name: figures["mse"].baselines[name])
        over_time.plot(moments, judged.baselines[best][rows, i], color=BASELINE, linewidth=1, label=best)
        over_time.plot(moments, truth[rows], color=TRUTH, linewidth=1.2, label="truth")
        over_time.plot(moments, said[rows], color=MODEL, linewidth=1.4, label="forecast")
        title = f"{training.recipe.name}: {output}, test split: MSE {beside(figures['mse'])}"
        say(over_time, title, time_axis(over_time, moments), _unit(training, i))
        over_time.legend(frameon=False, ncols=3)
        ends = [min(truth.min(), said.min()), max(truth.max(), said.max())]
        cloud.plot(ends, ends, color=BASELINE, linewidth=1)
        cloud.scatter(truth[thin], said[thin], s=9, color=MODEL, alpha=0.7, linewidths=0)
        cloud.set_aspect("equal")
        say(cloud, f"R² {figures['r2'].model:.3f}", "truth", "forecast")
    return figure


def draw_errors(training: Training) -> Figure:
    """Draw the mean squared error of model and baselines by month, or by hour where the test split is shorter.

    Where rows have no times it is drawn by tenths of the test split. Errors are in units of the test split's variance,
    averaged over the targets, a line of bars for each horizon.
    """
    splits, judged = training.splits, training.test
    season, names = _seasons(splits.test.at)
    targets = len(training.recipe.source.targets) if hasattr(training.recipe.source, "targets") else 1
    horizons = len(splits.outputs) // targets
    figure = figure_of(12, 3.2 * horizons)
    rows = figure.subplots(horizons, 1, squeeze=False)[:, 0]
    spread = np.maximum(splits.test.targets.var(axis=0), np.finfo(np.float32).tiny)
    answers_of = {"model": judged.answers, **judged.baselines}
    for horizon, axes in enumerate(rows):
        columns = slice(horizon * targets, (horizon + 1) * targets)
        for place, (name, said) in enumerate(answers_of.items()):
            squares = (np.square(said - splits.test.targets) / spread)[:, columns].mean(axis=1)
            counts = np.maximum(np.bincount(season, minlength=len(names)), 1)
            bars = np.bincount(season, squares, len(names)) / counts
            offset = (place - (len(answers_of) - 1) / 2) * 0.8 / len(answers_of)
            colour = MODEL if name == "model" else OTHERS[(place - 1) % len(OTHERS)]
            axes.bar(np.arange(len(names)) + offset, bars, 0.8 / len(answers_of), color=colour, label=name)
        axes.set_xticks(range(len(names)), names)
        of = f", outputs {', '.join(splits.outputs[columns])}"
        say(axes, f"Error by season on the test split{of}", "", "MSE / variance")
    rows[0].legend(frameon=False, ncols=4)
    return figure


def draw_residuals(training: Training) -> Figure:
    """Draw what truth minus forecast is: how often, and whether it depends on the forecast."""
    splits, judged = training.splits, training.test
    thin = slice(None, None, -(-len(splits.test) // MAX_DRAWN))
    figure = figure_of(12, 3.2 * len(splits.outputs))
    lines = figure.subplots(len(splits.outputs), 2, squeeze=False)
    for i, (output, (often, cloud)) in enumerate(zip(splits.outputs, lines, strict=True)):
        rest = splits.test.targets[:, i] - judged.answers[:, i]
        often.hist(rest, bins=40, color=MODEL)
        often.axvline(0, color=TRUTH, linewidth=1)
        say(often, f"{output}: residuals, mean {rest.mean():.3g}, deviation {rest.std():.3g}", _unit(training, i), "")
        cloud.scatter(judged.answers[thin, i], rest[thin], s=9, color=MODEL, alpha=0.7, linewidths=0)
        cloud.axhline(0, color=TRUTH, linewidth=1)
        say(cloud, "by forecast", "forecast", "truth - forecast")
    return figure


def _first_series(examples: Examples) -> slice:
    """Give the rows of the first series: time goes back where the next one begins."""
    back = np.flatnonzero(examples.at[1:] <= examples.at[:-1])
    return slice(0, int(back[0]) + 1 if len(back) else None)


def _unit(training: Training, i: int) -> str:
    output = training.splits.outputs[i]
    return f"{output} ({training.measured_in[output]})" if output in training.measured_in else output


def _seasons(at: NDArray[Any]) -> tuple[NDArray[np.int64], list[str]]:
    """Give the number of each moment's season, and the names of the seasons that are there."""
    every, names = _of_the_year(at)
    there, season = np.unique(every, return_inverse=True)
    return season, [names[each] for each in there]


def _of_the_year(at: NDArray[Any]) -> tuple[NDArray[np.int64], list[str]]:
    if at.dtype.kind != "M":
        return np.arange(len(at)) * 10 // len(at), [f"tenth {tenth + 1}" for tenth in range(10)]
    times = pd.DatetimeIndex(at)
    if times.max() - times.min() < pd.Timedelta(days=60) and len(set(times.hour)) > 1:
        return np.asarray(times.hour, np.int64), [f"{hour}h" for hour in range(24)]
    months = [f"{pd.Timestamp(2024, month, 1):%b}" for month in range(1, 13)]
    return np.asarray(times.month, np.int64) - 1, months
