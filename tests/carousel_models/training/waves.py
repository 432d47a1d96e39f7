"""A small recipe, and the waves that it forecasts."""

from pathlib import Path

import numpy as np

RECIPE = """
name = "waves"
seed = 3
[source]
kind = "table"
file = "waves.csv"
time = "day"
features = ["wave", "level"]
targets = ["level"]
measured_in = { level = "m" }
timesteps = 5
[[stack]]
units = 4
dropout = 0.1
[[stack]]
units = 3
activation = "relu"
[[heads]]
units = 1
[fit]
loss = "mse"
optimizer = { class_name = "Adam", config = { learning_rate = 0.01 } }
epochs = 2
early_stopping = { patience = 1 }
"""


def write(folder: Path, recipe: str, *, loud_end: float = 1.0) -> Path:
    """Write a recipe beside 120 days of a wave, whose test days are `loud_end` times as high."""
    days = np.arange("2020-01-01", "2020-04-30", dtype="datetime64[D]")
    wave = np.sin(np.arange(len(days)) / 3)
    level = 100 + 10 * wave * np.where(np.arange(len(days)) >= len(days) - 18, loud_end, 1)
    rows = "".join(f"{d},{w},{v}\n" for d, w, v in zip(days, wave, level, strict=True))
    (folder / "waves.csv").write_text(f"day,wave,level\n{rows}", "utf-8")
    path = folder / "recipe.toml"
    path.write_text(recipe, "utf-8")
    return path
