"""A CSV file of millions of rows becomes batches of windows: Carousel's reading, and pandas that reads it at once.

Each way runs in a process of its own, round by round, and passes once over all batches of the training split; nothing
is fitted. What a process holds for itself (RssAnon) is looked at all the while; pages of files that it has mapped are
not counted, since the system takes them back when it needs the room. A smaller file shows what grows with the rows.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tests.benchmarks import report

MILLIONS = (1, 5)
ROUNDS = 3
TIMESTEPS = 30
BATCH = 256
COLUMNS = ("load", "wind", "heat")
_AT_ONCE = 500_000  # rows that are written at once
_PAUSE = 0.01  # seconds between two looks at the memory
CAROUSEL, PANDAS = "carousel", "pandas at once"

RECIPE = f"""
name = "rows"
[source]
kind = "table"
file = "{{file}}"
time = "time"
features = {list(COLUMNS)}
targets = ["load"]
timesteps = {TIMESTEPS}
[[stack]]
units = 8
[[heads]]
units = 1
[fit]
loss = "mse"
epochs = 1
"""


def main() -> None:
    found: dict[str, dict[int, list[dict[str, float]]]] = {way: {n: [] for n in MILLIONS} for way in (CAROUSEL, PANDAS)}
    for millions in MILLIONS:
        recipe = _written(millions)
        for round_ in range(1, ROUNDS + 1):
            for way, of_way in found.items():
                command = [sys.executable, "-m", "tests.benchmarks.rows", way, recipe]
                said = subprocess.run(command, capture_output=True, text=True, check=True)
                of_way[millions].append(json.loads(said.stdout))
            report.say("rows", f"{millions} million rows, round {round_} of {ROUNDS}")
    least, most = MILLIONS
    figures = {way: {n: _median(rounds) for n, rounds in of_way.items()} for way, of_way in found.items()}
    ours, theirs = (figures[way][most] for way in (CAROUSEL, PANDAS))
    a_row = {way: 1e6 * (of[most]["held"] - of[least]["held"]) / (1e6 * (most - least)) for way, of in figures.items()}
    memory = (ours["held"] - ours["before"]) / (theirs["held"] - theirs["before"])
    rows = [
        report.Row(f"{most} million rows, memory held", _held(ours)),
        report.Row(f"{most} million rows, memory held by pandas at once", _held(theirs)),
        report.Row("memory beside the libraries, against pandas at once", f"{memory:.2f}x", "<= 0.25x", memory <= 0.25),
        report.Row("memory a row more takes", f"{a_row[CAROUSEL]:.0f} bytes, pandas at once {a_row[PANDAS]:.0f}"),
        *(
            report.Row(
                f"rows a second, {stage}",
                f"{1e6 * most / ours[stage]:,.0f} of CPU time, pandas at once {1e6 * most / theirs[stage]:,.0f}",
            )
            for stage in ("read", "pass")
        ),
        report.Row("file to last batch, CPU time against pandas at once", f"{_all(ours) / _all(theirs):.2f}x"),
    ]
    report.write("rows", rows, {"found": found}, lambda figure: _draw(figure, figures))


def _written(millions: int) -> Path:
    """Write the file of so many million rows, a minute each, and its recipe beside it, unless it is there."""
    folder = report.FOLDER / "rows"
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / f"{millions}.csv"
    if not table.exists():
        chance = np.random.default_rng(millions)
        with (beside := table.with_suffix(".partial")).open("w") as file:
            file.write(f"time,{','.join(COLUMNS)}\n")
            for first in range(0, millions * 1_000_000, _AT_ONCE):
                times = np.datetime64("2015-01-01T00:00", "m") + np.arange(first, first + _AT_ONCE)
                numbers = chance.normal(100, 10, (_AT_ONCE, len(COLUMNS)))
                file.writelines(
                    f"{at},{load:.2f},{wind:.2f},{heat:.2f}\n"
                    for at, (load, wind, heat) in zip(times.astype(str), numbers.tolist(), strict=True)
                )
        beside.rename(table)
    recipe = folder / f"{millions}.toml"
    recipe.write_text(RECIPE.format(file=table.name))
    return recipe


def _median(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: median(each[key] for each in rounds) for key in rounds[0]}


def _held(of: dict[str, float]) -> str:
    return f"{of['held']:.0f} MB at most, {of['before']:.0f} MB of it libraries"


def _all(of: dict[str, float]) -> float:
    return of["read"] + of["pass"]


def _draw(figure: Figure, figures: dict[str, dict[int, dict[str, float]]]) -> None:
    axes = figure.subplots()
    for (way, of_way), colour in zip(figures.items(), ("#d1495b", "#9aa5b1"), strict=True):
        held = [of["held"] for of in of_way.values()]
        axes.plot([0, *of_way], [next(iter(of_way.values()))["before"], *held], marker="o", color=colour, label=way)
    axes.set(title="From a CSV file to batches", xlabel="million rows", ylabel="megabytes held", ylim=(0, None))
    axes.legend(frameon=False)


class _Memory:
    """What this process holds for itself at most, in megabytes."""

    def __init__(self) -> None:
        self.before = self.most = _anonymous()
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            self.most = max(self.most, _anonymous())
            time.sleep(_PAUSE)


def _anonymous() -> float:
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024 / 1e6


def _carousel(recipe_path: Path) -> Callable[[], Iterable[Any]]:
    from carousel_models.data.batches import Shuffle, batches_of  # noqa: PLC0415 - it imports TensorFlow
    from carousel_models.data.splits import splits_of  # noqa: PLC0415
    from carousel_models.recipe import read_recipe  # noqa: PLC0415

    recipe = read_recipe(recipe_path)

    def batches() -> Iterable[Any]:
        return batches_of(splits_of(recipe, recipe_path.parent).train, BATCH, Shuffle(0))

    return batches


def _pandas(recipe_path: Path) -> Callable[[], Iterable[Any]]:
    """Do what the teaching texts do: all rows a frame, all windows an array, all of it given to tf.data."""
    import pandas as pd  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    def batches() -> Iterable[Any]:
        frame = pd.read_csv(recipe_path.with_suffix(".csv"), parse_dates=["time"]).set_index("time")
        train = frame[: round(len(frame) * 0.7)].to_numpy(np.float32)
        views = np.lib.stride_tricks.sliding_window_view(train[:-1], TIMESTEPS, axis=0)
        windows = np.ascontiguousarray(views.transpose(0, 2, 1))
        order = np.random.default_rng(0).permutation(len(windows))
        targets = train[TIMESTEPS:, :1]

        def passes() -> Iterable[Any]:
            for first in range(0, len(order), BATCH):
                rows = order[first : first + BATCH]
                yield windows[rows], targets[rows]

        spec = (tf.TensorSpec((None, TIMESTEPS, len(COLUMNS))), tf.TensorSpec((None, 1)))
        return tf.data.Dataset.from_generator(passes, output_signature=spec).prefetch(1)

    return batches


def _here(way: str, recipe: Path) -> None:
    import tensorflow as tf  # noqa: PLC0415, F401 - libraries are there before anything is counted

    begin = {CAROUSEL: _carousel, PANDAS: _pandas}[way](recipe)
    memory = _Memory()
    at = [time.process_time()]
    batches = begin()
    at.append(time.process_time())
    count = sum(1 for _ in batches)
    at.append(time.process_time())
    figures = {"before": memory.before, "held": memory.most, "read": at[1] - at[0], "pass": at[2] - at[1]}
    sys.stdout.write(json.dumps({**figures, "batches": count}))


if __name__ == "__main__":
    _here(sys.argv[1], Path(sys.argv[2]))
