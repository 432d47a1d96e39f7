"""A recipe with other settings says just these otherwise, and a recipe that is written reads the same."""

from pathlib import Path

import pytest

from carousel_models.recipe import Recipe, moved, read_recipe, with_settings, write_recipe

RECIPES = Path(__file__).parents[3] / "models" / "recipes"

TABLES = {
    "name": "two",
    "source": {"kind": "table", "file": "a.csv", "features": ["x"], "targets": ["x"], "timesteps": 9},
    "stack": [{"units": 8, "name": "first", "unit_forget_bias": False}, {"units": 4, "name": "second", "dropout": 0.1}],
    "heads": [{"units": 1}],
    "fit": {"loss": "mse", "optimizer": "sgd", "epochs": 1},
    "tune": {"open": {"units": [8, 16]}},
}


def changed(**settings: str | float) -> dict:
    """Give the tables of the recipe with other settings."""
    return with_settings(Recipe.of(TABLES), settings).tables


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_a_written_recipe_reads_the_same(path, tmp_path):
    """Whatever a recipe says is written, its file named from the new folder on, and nothing else."""
    recipe = read_recipe(path)
    written = write_recipe(tmp_path / "again.toml", moved(recipe, RECIPES, tmp_path))
    again = read_recipe(written)
    assert moved(again, tmp_path, RECIPES) == recipe
    if "file" in again.tables["source"]:
        assert (tmp_path / again.source.file).is_file()


def test_without_settings_a_recipe_is_itself_with_nothing_open():
    """What is compared with the best is what the file says."""
    assert changed() == Recipe.of({key: value for key, value in TABLES.items() if key != "tune"}).tables


def test_every_layer_gets_the_settings():
    """What is said of a layer elsewhere stays."""
    settings = {"units": 16, "dropout": 0.5, "recurrent_dropout": 0.25, "recurrent_regularizer": 0.01}
    first, second = changed(**settings)["stack"]
    of_all = {
        "units": 16,
        "dropout": 0.5,
        "recurrent_dropout": 0.25,
        "recurrent_regularizer": {"class_name": "L2", "config": {"l2": 0.01}},
    }
    assert first == {"name": "first", "unit_forget_bias": False, **of_all}
    assert second == {"name": "second", **of_all}


def test_a_deeper_stack_repeats_its_last_layer_and_a_shallower_one_loses_it():
    """No two layers get one name."""
    first, second, third = changed(depth=3)["stack"]
    assert (first["name"], second["name"]) == ("first", "second")
    assert third == {"units": 4, "dropout": 0.1}
    assert [layer["name"] for layer in changed(depth=1)["stack"]] == ["first"]


def test_a_layer_of_another_kind_keeps_what_both_kinds_take():
    """A GRU has no forget gate whose bias could be said."""
    first, _ = changed(layer="GRU")["stack"]
    assert first == {"units": 8, "name": "first", "layer": "GRU", "bidirectional": False}
    first, _ = changed(layer="Bidirectional")["stack"]
    assert first == {"units": 8, "name": "first", "unit_forget_bias": False, "layer": "LSTM", "bidirectional": True}


def test_fitting_and_windows_are_settings_too():
    """The optimizer stays what it was."""
    tables = changed(learning_rate=0.5, batch_size=7, timesteps=3)
    assert tables["fit"]["optimizer"] == {"class_name": "sgd", "config": {"learning_rate": 0.5}}
    assert (tables["fit"]["batch_size"], tables["source"]["timesteps"]) == (7, 3)
