"""A recipe with some of its settings changed."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carousel_models.recipe.layers import LSTM
from carousel_models.recipe.recipe import Recipe

Settings = Mapping[str, str | int | float]
"""A value for each open key, by the names of `carousel_models.recipe.search_space.Open`."""

_PENALTIES = ("kernel_regularizer", "recurrent_regularizer")


def with_settings(recipe: Recipe, settings: Settings) -> Recipe:
    """Give `recipe` the values of `settings`, and nothing open any more.

    All layers of the stack get the same ones. Where the stack becomes deeper, its last layer is repeated.

    Args:
        recipe: It is not changed.
        settings: Values by name, as `[tune]` names them.

    Returns:
        The new recipe.
    """
    tables = recipe.tables
    tables.pop("tune", None)
    if "timesteps" in settings:
        tables["source"]["timesteps"] = settings["timesteps"]
    if "batch_size" in settings:
        tables["fit"]["batch_size"] = settings["batch_size"]
    if "learning_rate" in settings:
        optimizer = tables["fit"].setdefault("optimizer", {"class_name": "adam"})
        optimizer.setdefault("config", {})["learning_rate"] = settings["learning_rate"]
    said = tables["stack"]
    depth = int(settings.get("depth", len(said)))
    repeated = {key: value for key, value in said[-1].items() if key != "name"}
    said = [*said[:depth], *(dict(repeated) for _ in range(depth - len(said)))]
    tables["stack"] = [_layer(layer, settings) for layer in said]
    return Recipe.of(tables)


def with_seed(recipe: Recipe, seed: int) -> Recipe:
    """Give a recipe another seed.

    Args:
        recipe: It is not changed.
        seed: Of everything random in it.

    Returns:
        The new recipe.
    """
    return Recipe.of({**recipe.tables, "seed": seed})


def with_origin(recipe: Recipe, origin: str) -> Recipe:
    """Say where the settings of a recipe come from.

    Args:
        recipe: It is not changed.
        origin: A sentence for the report.

    Returns:
        The new recipe.
    """
    return Recipe.of({**recipe.tables, "origin": origin})


def moved(recipe: Recipe, old: Path, new: Path) -> Recipe:
    """Make a recipe read the same data from another folder.

    Args:
        recipe: It is not changed.
        old: The folder that its file lay in.
        new: The folder that its file will lie in.

    Returns:
        The new recipe.
    """
    tables = recipe.tables
    if "file" in tables["source"]:
        tables["source"]["file"] = Path(os.path.relpath(old / tables["source"]["file"], new)).as_posix()
    return Recipe.of(tables)


def _layer(said: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    layer = dict(said)
    if "layer" in settings:
        kind = "GRU" if settings["layer"] == "GRU" else "LSTM"
        if kind != layer.get("layer", "LSTM"):
            own = {"unit_forget_bias", "reset_after"}
            layer = {key: value for key, value in layer.items() if key not in own}
        layer |= {"layer": kind, "bidirectional": settings["layer"] == "Bidirectional"}
    layer |= {key: settings[key] for key in settings.keys() & LSTM.model_fields.keys() - {"layer", *_PENALTIES}}
    for penalty in settings.keys() & set(_PENALTIES):
        layer[penalty] = {"class_name": "L2", "config": {"l2": settings[penalty]}}
    return layer
