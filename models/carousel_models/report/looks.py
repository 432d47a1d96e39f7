"""The looks of all our pictures."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from numpy.typing import NDArray

from carousel_models.report.scores import Score

TRUTH, MODEL, BASELINE, KEPT = "#20262e", "#d1495b", "#9aa5b1", "#2e7d6b"
OTHERS = ("#9aa5b1", "#2e7d6b", "#d9a441", "#5b6ee1")
"""The colours of baselines, in their order."""


def figure_of(width: float, height: float) -> Figure:
    """Make an empty figure, its sides in inches. It is not pyplot's: no global state, no window system."""
    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def say(axes: Axes, title: str, x: str, y: str) -> None:
    """Give axes their title and labels, and the looks of all our pictures."""
    axes.set_title(title, fontsize=11, loc="left")
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e9ed", linewidth=0.6)
    axes.set_axisbelow(True)


def time_axis(axes: Axes, at: NDArray[Any]) -> str:
    """Mark the horizontal axis with the times `at`, or leave it to their numbers, and give its label."""
    if at.dtype.kind != "M":
        return "row"
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    first, last = pd.Timestamp(at[0]), pd.Timestamp(at[-1])
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"


def beside(score: Score) -> str:
    """Write a figure of the model beside those of the baselines."""
    return ", ".join([f"{score.model:.3g}", *(f"{name} {figure:.3g}" for name, figure in score.baselines.items())])
