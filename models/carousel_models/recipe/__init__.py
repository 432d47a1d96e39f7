"""What to build and from what: the TOML file, checked."""

from carousel_models.recipe.fitting import EarlyStopping, Fit
from carousel_models.recipe.layers import LSTM, Dense, Weights
from carousel_models.recipe.reading import read_recipe
from carousel_models.recipe.recipe import Recipe
from carousel_models.recipe.sources import AeonSource, CsvSource
from carousel_models.recipe.tables import Named

__all__ = [
    "LSTM",
    "AeonSource",
    "CsvSource",
    "Dense",
    "EarlyStopping",
    "Fit",
    "Named",
    "Recipe",
    "Weights",
    "read_recipe",
]
