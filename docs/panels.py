"""Draws Grafana panels from a Prometheus, in the dashboard's own grid."""

import io
import itertools
import json
import math
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator
from PIL import Image

Ask = Callable[[dict[str, Any]], list[dict[str, Any]]]
"""What Prometheus answers to a panel's query."""

_WIDTH, _UNIT = 14.0, 0.285  # inches: of the picture, and of a row of Grafana's grid
_PALETTE = ("#5a9e4b", "#1f6fb5", "#d9a514", "#cf3e33", "#6450a0", "#2f9fb8")  # as Grafana's
_TRACED = "#a5389a"
_INK, _FAINT, _EDGE, _GROUND = "#24292e", "#6e7680", "#d5d9dd", "#f4f5f5"
_SCALES = {
    "s": ((1.0, 1.0, " s"), (1e-3, 1e3, " ms"), (0.0, 1e6, " µs")),
    "bytes": ((0.0, 1 / (1 << 20), " MiB"),),
    "percentunit": ((0.0, 100.0, "%"),),
    "reqps": ((1e3, 1e-3, "K req/s"), (0.0, 1.0, " req/s")),
    "ops": ((1e3, 1e-3, "K ops/s"), (0.0, 1.0, " ops/s")),
    "short": ((1e3, 1e-3, "K"), (0.0, 1.0, "")),
}
"""By Grafana's unit: from which largest value on, the factor, and what stands behind the number."""


@dataclass(frozen=True)
class Series:
    """One line: its legend, its times in seconds since the run began, its values."""

    legend: str
    times: list[float]
    values: list[float]


@dataclass(frozen=True)
class Run:
    """What happened, as Prometheus tells it.

    Attributes:
        ask: Gives the series of a query.
        exemplars: Gives the exemplars behind a query.
        began: Seconds since 1970.
        lasted: Seconds.
    """

    ask: Ask
    exemplars: Ask
    began: float
    lasted: float

    def series(self, panel: dict[str, Any]) -> Iterator[Series]:
        """Ask what a panel asks."""
        for target in panel["targets"]:
            for found in self.ask(target):
                legend = re.sub(
                    r"{{(\w+)}}", lambda label, of=found["metric"]: of.get(label[1], ""), target["legendFormat"]
                )
                numbers = [(at - self.began, float(value)) for at, value in found["values"] if value != "NaN"]
                if numbers:
                    yield Series(legend, *map(list, zip(*numbers, strict=True)))

    def traced(self, panel: dict[str, Any]) -> tuple[list[float], list[float]]:
        """Ask for the traced values behind a panel: times and values."""
        behind = [target for target in panel["targets"] if target.get("exemplar")]
        found = [exemplar for target in behind for exemplar in self.exemplars(target)]
        return [each["timestamp"] - self.began for each in found], [float(each["value"]) for each in found]


def draw(dashboard: Path, run: Run, picture: Path) -> None:
    """Draw every panel of the dashboard's JSON where it stands, into a PNG."""
    mpl.rcParams |= {"font.size": 7.5, "text.color": _INK, "axes.edgecolor": _EDGE}
    panels = json.loads(dashboard.read_text())["panels"]
    units = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = Figure(figsize=(_WIDTH, _UNIT * units), facecolor=_GROUND, dpi=110)
    for panel in panels:
        place = panel["gridPos"]
        wide, high = _WIDTH / 24 * place["w"], _UNIT * place["h"]
        card = Card(figure, _WIDTH / 24 * place["x"], _UNIT * (units - place["y"]) - high, wide, high)
        if panel["type"] == "row":
            card.write(panel["title"], 10)
        else:
            card.frame()
            card.write(textwrap.fill(panel["title"], int(13 * wide)), 8)
            (_number if panel["type"] == "stat" else _lines)(card, panel, run)
    _save(figure, picture)


@dataclass(frozen=True)
class Card:
    """A panel's place on the picture: its lower left corner and its size, in inches."""

    figure: Figure
    x: float
    y: float
    wide: float
    high: float

    def frame(self) -> None:
        """Draw the edge."""
        corner, (wide, high) = self.place(0.04, 0.04), self._share(self.wide - 0.08, self.high - 0.08)
        self.figure.add_artist(
            Rectangle(corner, wide, high, facecolor="white", edgecolor=_EDGE, linewidth=0.8, zorder=-1)
        )

    def write(self, title: str, size: float) -> None:
        """Write the title in the upper left corner."""
        self.figure.text(*self.place(0.12, self.high - 0.12), title, fontsize=size, weight="bold", va="top")

    def axes(self, left: float, below: float, right: float, above: float) -> Axes:
        """Leave so many inches around."""
        size = self._share(self.wide - left - right, self.high - below - above)
        return self.figure.add_axes((*self.place(left, below), *size))

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Find a point of the card as the figure counts."""
        return self._share(self.x + x, self.y + y)

    def _share(self, x: float, y: float) -> tuple[float, float]:
        return x / self.figure.get_figwidth(), y / self.figure.get_figheight()


def _lines(card: Card, panel: dict[str, Any], run: Run) -> None:
    axes = card.axes(left=0.7, below=0.52, right=0.2, above=0.42)
    everything = list(run.series(panel))
    largest = max((max(series.values) for series in everything), default=0.0)
    factor, suffix = _scale(panel, largest)
    for series, color in zip(everything, itertools.cycle(_PALETTE), strict=False):
        values = [factor * value for value in series.values]
        axes.plot(series.times, values, color=color, linewidth=1.2, label=series.legend)
        axes.fill_between(series.times, values, color=color, alpha=0.08, linewidth=0)
    times, traced = run.traced(panel)
    if times:
        axes.plot(times, [factor * value for value in traced], "D", color=_TRACED, markersize=1.8, label="traced")
    axes.set(xlim=(0, run.lasted), ylim=(0, 1.12 * factor * largest or 1))
    _ticks(axes, suffix)
    card.figure.legend(
        *axes.get_legend_handles_labels(),
        loc="lower left",
        bbox_to_anchor=card.place(0.08, 0.06),
        ncols=4,
        frameon=False,
        fontsize=7,
        handlelength=1.1,
        handletextpad=0.4,
        columnspacing=1.0,
    )


def _number(card: Card, panel: dict[str, Any], run: Run) -> None:
    [series] = run.series(panel)
    factor, suffix = _scale(panel, max(series.values))
    axes = card.axes(left=0.05, below=0.05, right=0.05, above=1.1)
    axes.fill_between(series.times, series.values, color=_PALETTE[0], alpha=0.2, linewidth=0)
    axes.plot(series.times, series.values, color=_PALETTE[0], linewidth=1)
    axes.set(xlim=(0, run.lasted), ylim=(0, 1.1 * max(*series.values, 1e-3)))
    axes.axis("off")
    number = factor * series.values[-1]
    said = f"{number:,.0f}{suffix}" if number >= 100 else f"{number:.3g}{suffix}"
    middle = card.place(card.wide / 2, card.high * 0.56)
    card.figure.text(*middle, said, ha="center", va="center", fontsize=22, color=_PALETTE[0])


def _ticks(axes: Axes, suffix: str) -> None:
    axes.xaxis.set_major_locator(MultipleLocator(30))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{int(at) // 60}:{int(at) % 60:02}"))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}{suffix}"))
    axes.tick_params(colors=_FAINT, labelsize=7, length=0, pad=4)
    axes.grid(color="#eceff1", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _scale(panel: dict[str, Any], largest: float) -> tuple[float, str]:
    scales = _SCALES[panel["fieldConfig"]["defaults"]["unit"]]
    return next((factor, suffix) for least, factor, suffix in scales if largest >= least or math.isclose(least, 0))


def _save(figure: Figure, picture: Path) -> None:
    """Save with as many colors as are told apart: a third of the bytes."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    Image.open(drawn).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(picture, optimize=True)
