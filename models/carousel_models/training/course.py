"""How a fit goes, epoch by epoch."""

import json
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from carousel_models.data.batches import Shuffle
from carousel_models.data.examples import Examples
from carousel_models.recipe import Recipe
from carousel_models.training.checkpoint import Checkpoint, Weights, read_checkpoint, write_checkpoint

COUNTS = {
    keras.callbacks.EarlyStopping: ("wait", "best", "best_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
}
"""What Keras' callbacks remember from epoch to epoch, by their own names."""


class Course(keras.callbacks.Callback):  # type: ignore[misc]
    """Keep the losses and the last epoch's weights, write checkpoints, and go on from one.

    It stands behind the callbacks whose counts it keeps: Keras has reset them when it gives them back.

    Attributes:
        losses: The loss on the training and on the validation split after each epoch, without penalties.
        weights: Those of the last whole epoch; empty before the first.
    """

    def __init__(
        self, recipe: Recipe, train: Examples, counting: Sequence[keras.callbacks.Callback], shuffle: Shuffle
    ) -> None:
        super().__init__()
        self.losses: list[tuple[float, float]] = []
        self.weights: Weights = []
        self._counting = counting
        self._shuffle = shuffle
        self._identity = _identity(recipe, train)
        self._path: Path | None = None
        self._from: Checkpoint | None = None

    def keep(self, path: Path, *, resume: bool) -> int:
        """Write a checkpoint to `path` after each epoch; with `resume`, go on from the one there is.

        Returns:
            How many epochs are done; None are to be done any more if early stopping had ended the fit.

        Raises:
            CheckpointRefused: The one there cannot be read, or is of another fit.
        """
        self._path = path
        self._from = read_checkpoint(path, self._identity) if resume else None
        return len(self._from.losses) if self._from else 0

    @property
    def stopped(self) -> bool:
        """Whether the fit had been ended by early stopping when it was interrupted."""
        return self._from is not None and self._from.stopped

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes it
        """Go on from the checkpoint."""
        if self._from is None:
            return
        self.model.optimizer.build(self.model.trainable_variables)
        for variable, value in zip(self.model.variables, self._from.variables, strict=True):
            variable.assign(value)
        for variable, value in zip(self.model.optimizer.variables, self._from.optimizer, strict=True):
            variable.assign(value)
        for callback, counts in zip(self._counting, self._from.counts, strict=True):
            for name, count in counts.items():
                setattr(callback, name, count)
            if isinstance(callback, keras.callbacks.EarlyStopping):
                callback.best_weights = self._from.best or None
        self.losses = list(self._from.losses)
        self.weights = self.model.get_weights()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes it
        """Shuffle as this epoch does, whichever was the first."""
        self._shuffle.epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes it
        """Keep what this epoch ended with."""
        self.losses.append((float(logs["error"]), float(logs["val_error"])))
        self.weights = self.model.get_weights()
        if self._path is not None and math.isfinite(sum(self.losses[-1])):
            write_checkpoint(self._path, self._identity, self._checkpoint())

    def _checkpoint(self) -> Checkpoint:
        stopping = [each for each in self._counting if isinstance(each, keras.callbacks.EarlyStopping)]
        best = stopping[0].best_weights if stopping else None
        return Checkpoint(
            self.losses,
            [variable.numpy() for variable in self.model.variables],
            [variable.numpy() for variable in self.model.optimizer.variables],
            best or [],
            [{name: getattr(callback, name) for name in COUNTS[type(callback)]} for callback in self._counting],
            stopped=bool(self.model.stop_training),
        )


def _identity(recipe: Recipe, train: Examples) -> str:
    """Name a fit by all that decides its course. More epochs may be asked for later: they are no part of it."""
    tables = recipe.tables
    tables["fit"].pop("epochs")
    tables.pop("tune", None)
    check = zlib.crc32(train.targets.tobytes())
    for rows in train.rows():
        check = zlib.crc32(rows.tobytes(), check)
    return json.dumps([tables, len(train), check], sort_keys=True)
