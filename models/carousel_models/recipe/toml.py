"""A recipe as a TOML file."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from carousel_models.recipe.faults import faults_of
from carousel_models.recipe.fitting import EarlyStopping, Fit, ReduceLearningRate
from carousel_models.recipe.layers import GRU, LSTM, Dense, Embedding
from carousel_models.recipe.recipe import Recipe
from carousel_models.recipe.search_space import Open, Range, Tune
from carousel_models.recipe.sources import AeonSource, TableSource, TextSource
from carousel_models.recipe.tables import Named
from carousel_models.refusals import RecipeRefused


def read_recipe(path: Path) -> Recipe:
    """Read and check the recipe at `path`.

    Args:
        path: A TOML file.

    Returns:
        The recipe.

    Raises:
        RecipeRefused: The file cannot be read, is not TOML, or says what cannot be built; every fault is named.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise RecipeRefused(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeRefused(f"{path}: is not TOML: {error}") from error
    return _checked(path, tables)


def write_recipe(path: Path, recipe: Recipe) -> Path:
    """Write a recipe as TOML, which `read_recipe` reads to the same recipe.

    Args:
        path: The file.
        recipe: What to write.

    Returns:
        The path.

    Raises:
        OSError: The file cannot be written.
    """
    path.write_text(tomli_w.dumps(recipe.tables), "utf-8")
    return path


def _checked(path: Path, tables: Mapping[str, Any]) -> Recipe:
    try:
        return Recipe.of(tables)
    except ValidationError as error:
        raise RecipeRefused("\n".join(f"{path}: {fault}" for fault in faults_of(error, _KEYS))) from error


_TABLES = (
    *(Recipe, TableSource, TextSource, AeonSource, Embedding, LSTM, GRU, Dense, Named),
    *(Fit, EarlyStopping, ReduceLearningRate, Tune, Open, Range),
)
_KEYS = frozenset(key for table in _TABLES for key in table.model_fields)
