"""A recipe: everything that Keras' LSTM takes can be said, and every fault is told by its place in the file."""

from pathlib import Path

import pytest

from carousel_models.recipe import LSTM, Named, TableSource, read_recipe
from carousel_models.refusals import RecipeRefused

RECIPES = Path(__file__).parents[3] / "models" / "recipes"

RECIPE = """
name = "small"
source = { kind = "table", file = "a.csv", features = ["x"], targets = ["y"], timesteps = 3 }
stack = [{ units = 4 }]
heads = [{ units = 1 }]
fit = { loss = "mse", epochs = 1 }
"""


def refusal(tmp_path: Path, text: str) -> str:
    """Say what is said of a recipe, without the path before each line."""
    path = tmp_path / "recipe.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(RecipeRefused) as caught:
        read_recipe(path)
    return str(caught.value).replace(f"{path}: ", "")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_recipes_that_ship_are_valid(path):
    """Every recipe in the tree can be read, and its CSV file is there."""
    recipe = read_recipe(path)
    if isinstance(recipe.source, TableSource):
        assert (RECIPES / recipe.source.file).is_file()


def test_every_argument_of_keras_lstm_can_be_said():
    """What a recipe does not say of Keras' LSTM is decided by Carousel: layout, states, and Keras' own bookkeeping."""
    import inspect  # noqa: PLC0415

    import keras  # noqa: PLC0415

    arguments = set(inspect.signature(keras.layers.LSTM.__init__).parameters) - {"self", "kwargs"}
    assert arguments - set(LSTM.model_fields) == {"return_sequences", "return_state", "stateful"}


def test_a_name_alone_is_a_class_name_without_config(tmp_path):
    """Keras' objects are said by name or as a table."""
    path = tmp_path / "recipe.toml"
    table = '{ class_name = "Adam", config = { learning_rate = 0.01 } }'
    path.write_text(RECIPE.replace("epochs = 1", f"epochs = 1, optimizer = {table}"), "utf-8")
    fit = read_recipe(path).fit
    assert fit.loss == Named(class_name="mse")
    assert fit.optimizer.identifier == {"class_name": "Adam", "config": {"learning_rate": 0.01}}


def test_a_missing_file_is_named(tmp_path):
    """A recipe that is not there is told from one that is wrong."""
    with pytest.raises(RecipeRefused, match=r"none\.toml: cannot be read: No such file"):
        read_recipe(tmp_path / "none.toml")


def test_broken_toml_is_told_with_its_line(tmp_path):
    """The TOML parser's own words say where."""
    assert "is not TOML" in refusal(tmp_path, "name = ")


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        (
            "{ units = 4 }",
            "{ unit = 4 }",
            "stack[0].units: is missing\nstack[0].unit: is not a key here: did you mean 'units'?",
        ),
        ("{ units = 4 }", "{ units = 4, qqq = 1 }", "stack[0].qqq: is not a key here: remove it"),
        ("{ units = 4 }", "{ units = 0 }", "stack[0].units: input should be greater than or equal to 1; got 0"),
        ("{ units = 4 }", '{ units = "4" }', "stack[0].units: input should be a valid integer; got '4'"),
        ("{ units = 4 }", "{ units = 4, dropout = 1.0 }", "stack[0].dropout: input should be less than 1; got 1.0"),
        (
            "{ units = 4 }",
            "{ units = 4, return_sequences = true }",
            (
                "stack[0].return_sequences: is not said in a recipe: it follows from the layer's place: every "
                "LSTM but the "
                "last returns sequences"
            ),
        ),
        (", timesteps = 3", "", "source.timesteps: is missing"),
        ('["y"]', "[]", "source.targets: is empty: name one column or more"),
        ("[{ units = 4 }]", "[]", "stack: is empty: say one layer or more"),
        ('kind = "table"', 'kind = "sql"', "source: has the unknown kind 'sql': say one of 'table', 'text', 'aeon'"),
        ('kind = "table", ', "", 'source: has no kind: say kind = "table", "text" or "aeon"'),
        ('["x"]', '["x", "x"]', "source.features: names 'x' more than once"),
        (
            "timesteps = 3",
            'timesteps = 3, missing = "zero"',
            "source.missing: input should be 'interpolate', 'forward-fill', 'drop' or 'refuse'; got 'zero'",
        ),
        (
            "timesteps = 3",
            "timesteps = 3, validation = 0.5, test = 0.5",
            "source: validation 0.5 and test 0.5 leave no rows for training",
        ),
        (
            "timesteps = 3",
            "timesteps = 3, horizon = [1, 3]",
            "the recipe: the last of heads has 1 units, and the source 2 outputs, y +1, y +3: give one unit each",
        ),
        (
            "heads",
            "decoder = [{ units = 4 }]\nheads",
            "the recipe: decoder writes a timestep for each horizon: say several in source.horizon, or leave it out",
        ),
        (
            "heads",
            "decoder = [{ units = 0 }]\nheads",
            "decoder[0].units: input should be greater than or equal to 1; got 0",
        ),
        (
            "timesteps = 3",
            "timesteps = 3, horizon = [2, 1]",
            "source.horizon: [2, 1] is not ascending: say each horizon once, the nearest first",
        ),
        (
            "timesteps = 3",
            "timesteps = 3, horizon = 0",
            "source.horizon: input should be greater than or equal to 1; got 0",
        ),
        (
            "timesteps = 3",
            'timesteps = 3, time_features = ["hour"]',
            "source: time_features needs a time column: say time",
        ),
        (
            "timesteps = 3",
            'timesteps = 3, categories = { z = ["p"] }',
            "source: categories names 'z', which is among neither features nor known",
        ),
        (
            "timesteps = 3",
            'timesteps = 3, categories = { y = ["p"] }',
            "source: categories names the target 'y': only numbers are forecast",
        ),
        (
            "timesteps = 3",
            "timesteps = 3, horizon = 8, season = 7",
            (
                "source: season 7 is shorter than horizon 8: what was measured a season before a target would come "
                "after its window; give whole seasons, horizon or more"
            ),
        ),
        (
            "{ units = 4 }",
            '{ units = 4, layer = "RNN" }',
            "stack[0]: has the unknown layer 'RNN': say one of 'LSTM', 'GRU'",
        ),
        (
            "{ units = 4 }",
            '{ units = 0, layer = "GRU" }',
            "stack[0].units: input should be greater than or equal to 1; got 0",
        ),
        (
            "fit = {",
            "tune = { open = {} }\nfit = {",
            "tune.open: is empty: say one key or more, like units = [16, 32, 64]",
        ),
        (
            "fit = {",
            "tune = { open = { units = [] } }\nfit = {",
            "tune.open: units has no values: list some, or leave the key out",
        ),
        (
            "fit = {",
            "tune = { open = { unit = [8] } }\nfit = {",
            "tune.open.unit: is not a key here: did you mean 'units'?",
        ),
        (
            "fit = {",
            "tune = { open = { learning_rate = { low = 0.0, high = 0.1, log = true } } }\nfit = {",
            "tune.open.learning_rate: low 0.0 with log = true: give a low above 0, or leave log out",
        ),
        (
            "stack = [",
            "embedding = { output_dim = 2 }\nstack = [",
            "the recipe: the source gives numbers and no tokens: remove the table [embedding]",
        ),
        (
            'kind = "table", file = "a.csv", features = ["x"], targets = ["y"], timesteps = 3',
            'kind = "text", file = "a.csv", text = "x", label = "y"',
            "the recipe: the source gives tokens: add a table [embedding] with output_dim",
        ),
        (
            "{ units = 4 }",
            '{ units = 4, name = "dense_0" }',
            "the recipe: two layers are named 'dense_0': rename one",
        ),
        (
            "heads = [{ units = 1 }]",
            "heads = [{ units = 2 }]",
            "the recipe: the last of heads has 2 units, and the source 1 outputs, y: give one unit each",
        ),
    ],
)
def test_a_fault_is_told_by_its_place(tmp_path, before, after, sentence):
    """One sentence: the path in the file, what came, what was expected or what to change."""
    assert before in RECIPE
    assert refusal(tmp_path, RECIPE.replace(before, after)) == sentence


def test_every_fault_is_told_at_once(tmp_path):
    """Two faults are two lines."""
    faults = refusal(tmp_path, RECIPE.replace("units = 4", "units = -4").replace("epochs = 1", "epochs = 0"))
    assert [line.split(":")[0] for line in faults.splitlines()] == ["stack[0].units", "fit.epochs"]
