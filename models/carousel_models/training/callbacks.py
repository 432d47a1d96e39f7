"""Those who look on while a model is fitted: the progress bar, TensorBoard."""

from pathlib import Path

import keras

from carousel_models.recipe import Recipe
from carousel_models.training.progress import Progress


def callbacks_of(recipe: Recipe, tensorboard: Path | None, *, quiet: bool) -> list[keras.callbacks.Callback]:
    """Make the callbacks that show how fitting goes: TensorBoard's logs go into the folder `tensorboard`, if any."""
    shown = [] if quiet else [Progress(recipe.name, recipe.fit.epochs)]
    logged = [] if tensorboard is None else [keras.callbacks.TensorBoard(tensorboard, write_graph=False)]
    return [*shown, *logged]
