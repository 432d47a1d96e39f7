"""Pictures of a training that people would look at."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, MaxNLocator
from numpy.typing import NDArray

from carousel_models.report.scores import Score
from carousel_models.training.result import Training

TRUTH, MODEL, BASELINE, KEPT = "#20262e", "#d1495b", "#9aa5b1", "#2e7d6b"


def draw_loss(path: Path, training: Training) -> None:
    """Draw the loss after each epoch on the training and the validation split, and which epoch was kept."""
    figure = figure_of(8, 4.5)
    axes = figure.subplots()
    history, fit = training.history, training.recipe.fit
    epochs = np.arange(1, len(history.loss) + 1)
    axes.plot(epochs, history.loss, color=TRUTH, label="training")
    axes.plot(epochs, history.val_loss, color=MODEL, label="validation")
    axes.axvline(history.kept, color=KEPT, linestyle="--", linewidth=1, label=f"weights kept: epoch {history.kept}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if min(*history.loss, *history.val_loss) > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.yaxis.set_minor_formatter(FormatStrFormatter("%g"))
    what = fit.loss.class_name.replace("_", " ")
    if training.splits.task == "forecast" and fit.scale_targets:
        what += ", targets in standard deviations"
    say(axes, f"{training.recipe.name}: loss by epoch, without the penalties of regularizers", "epoch", what)
    axes.legend(frameon=False)
    figure.savefig(path)


def draw_forecast(path: Path, training: Training) -> None:
    """Draw the forecast of every target against the truth over the test split, and one against the other."""
    splits, judged = training.splits, training.test
    # Time goes back where the next series begins: over time, the first one is drawn.
    moments = splits.test.at
    back = np.flatnonzero(moments[1:] <= moments[:-1])
    first = slice(0, int(back[0]) + 1 if len(back) else None)
    figure = figure_of(12, 4 * len(splits.outputs))
    rows = figure.subplots(len(splits.outputs), 2, squeeze=False, width_ratios=(3, 1))
    for i, (output, (over_time, scatter)) in enumerate(zip(splits.outputs, rows, strict=True)):
        truth, said = splits.test.targets[:, i], judged.answers[:, i]
        figures = {score.metric: score for score in judged.scores.scores if score.output == output}
        over_time.plot(moments[first], truth[first], color=TRUTH, linewidth=1.2, label="truth")
        over_time.plot(moments[first], said[first], color=MODEL, linewidth=1.4, label="forecast")
        title = f"{training.recipe.name}: {output}, test split: MSE {_beside(figures['mse'])}"
        unit = f"{output} ({training.measured_in[output]})" if output in training.measured_in else output
        say(over_time, title, _time_axis(over_time, moments[first]), unit)
        over_time.legend(frameon=False, ncols=2)
        ends = [min(truth.min(), said.min()), max(truth.max(), said.max())]
        scatter.plot(ends, ends, color=BASELINE, linewidth=1)
        scatter.scatter(truth, said, s=9, color=MODEL, alpha=0.7, linewidths=0)
        scatter.set_aspect("equal")
        say(scatter, f"R² {figures['r2'].model:.3f}", "truth", "forecast")
    figure.savefig(path)


def draw_confusion(path: Path, training: Training) -> None:
    """Draw how many test sequences of each class were said to be of which."""
    splits, judged = training.splits, training.test
    size = len(splits.outputs)
    counts = np.zeros((size, size), np.int64)
    np.add.at(counts, (splits.test.targets, judged.answers.argmax(axis=1)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(5.0, 2 + 0.55 * size)
    figure = figure_of(side + 1, side)
    axes = figure.subplots()
    shading = axes.imshow(shares, cmap="Reds", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.5 else TRUTH
            axes.text(column, row, str(count), ha="center", va="center", color=colour)
    axes.set_xticks(range(size), splits.outputs)
    axes.set_yticks(range(size), splits.outputs)
    figure.colorbar(shading, ax=axes, label="share of the true class", shrink=0.8)
    title = f"{training.recipe.name}: accuracy {_beside(judged.scores.decisive[0])}"
    axes.set(title=title, xlabel="said class", ylabel="true class")
    figure.savefig(path)


def _beside(score: Score) -> str:
    return ", ".join([f"{score.model:.3g}", *(f"{name} {figure:.3g}" for name, figure in score.baselines.items())])


def figure_of(width: float, height: float) -> Figure:
    """Make an empty figure, its sides in inches. It is not pyplot's: no global state, no window system."""
    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def say(axes: Axes, title: str, x: str, y: str) -> None:
    """Give axes their title and labels, and the looks of all our pictures."""
    axes.set_title(title, fontsize=11, loc="left")
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e9ed", linewidth=0.6)
    axes.set_axisbelow(True)


def _time_axis(axes: Axes, at: NDArray[Any]) -> str:
    if at.dtype.kind != "M":
        return "row"
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    first, last = pd.Timestamp(at[0]), pd.Timestamp(at[-1])
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
