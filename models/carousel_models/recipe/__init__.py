"""What to build and from what: the TOML file, checked."""

from carousel_models.recipe.fitting import EarlyStopping, Fit
from carousel_models.recipe.layers import GRU, LSTM, Dense, Embedding, Recurrent, Weights
from carousel_models.recipe.recipe import Recipe
from carousel_models.recipe.search_space import Open, Range, Tune
from carousel_models.recipe.sources import AeonSource, TableSource, TextSource
from carousel_models.recipe.tables import Named
from carousel_models.recipe.toml import read_recipe, write_recipe
from carousel_models.recipe.variants import Settings, moved, with_origin, with_seed, with_settings

__all__ = [
    "GRU",
    "LSTM",
    "AeonSource",
    "Dense",
    "EarlyStopping",
    "Embedding",
    "Fit",
    "Named",
    "Open",
    "Range",
    "Recipe",
    "Recurrent",
    "Settings",
    "TableSource",
    "TextSource",
    "Tune",
    "Weights",
    "moved",
    "read_recipe",
    "with_origin",
    "with_seed",
    "with_settings",
    "write_recipe",
]
