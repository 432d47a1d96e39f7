"""A recipe's layers fitted to its examples."""

import time
from collections.abc import Sequence
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from carousel.tensors import Floats
from carousel_models.data.batches import batches_of
from carousel_models.data.examples import Examples, Splits
from carousel_models.recipe import Recipe
from carousel_models.refusals import FitDiverged, RecipeRefused
from carousel_models.report.scores import judge
from carousel_models.training.baselines import baselines_of
from carousel_models.training.network import compiled, layers_of
from carousel_models.training.result import History, Judged

JUDGED_AT_ONCE = 256
"""Examples of a batch where none is fitted."""


def fitted(
    recipe: Recipe, splits: Splits, callbacks: Sequence[keras.callbacks.Callback] = ()
) -> tuple[keras.Model, History]:
    """Fit the layers of `recipe` to the training split; the same recipe gives the same weights on one machine.

    Scaling is part of the model, taken from the training split alone. To forecast, the layers are fitted to targets
    in standard deviations, so that loss and learning rate mean the same whatever the unit, and a layer behind them
    turns their answers back into raw numbers.

    Args:
        recipe: What to build and how to fit it.
        splits: The examples; those for testing are not looked at.
        callbacks: Keras' own, told of every epoch; `val_error` is the loss on the validation split without penalties.

    Returns:
        A model that takes raw numbers, float32 [batch, timesteps, input_dim], and gives raw numbers, [batch, units];
        and how fitting went.

    Raises:
        RecipeRefused: Keras does not know something that the recipe names, or the heads do not fit the targets.
        FitDiverged: The loss became infinite or NaN.
    """
    _refuse_heads(recipe, splits)
    keras.utils.set_random_seed(recipe.seed)
    inputs = keras.Input((None, splits.input_dim), name="inputs")
    scaled = [_normalization(splits.train)] if recipe.fit.scale_inputs else []
    core = compiled(keras.Sequential([inputs, *scaled, *layers_of(recipe)], name="core"), recipe.fit)
    train, validation, raw_units = splits.train, splits.validation, []
    if splits.task == "forecast" and recipe.fit.scale_targets:
        mean, variance = _moments(train.targets)
        train, validation = (
            replace(part, targets=(part.targets - mean) / np.sqrt(variance)) for part in (train, validation)
        )
        raw_units = [keras.layers.Normalization(mean=mean, variance=variance, invert=True, name="raw_units")]
    history = _fit(core, recipe, train, validation, callbacks)
    return keras.Sequential([inputs, *core.layers, *raw_units], name="model"), history


def wake() -> None:
    """Let TensorFlow look for devices now: the first use of it does, and says so aloud."""
    tf.config.list_logical_devices()


def answers(model: keras.Model, examples: Examples) -> Floats:
    """Give the model's answer to every example, in their order: float32 [examples, units]."""
    by_length = np.argsort([len(sequence) for sequence in examples.inputs], kind="stable")
    given: Floats = model.predict(batches_of(examples, JUDGED_AT_ONCE), verbose=0)
    return given[np.argsort(by_length)]


def judged(model: keras.Model, recipe: Recipe, splits: Splits) -> tuple[Judged, Judged]:
    """Judge `model` beside its baselines on the validation and on the test split, in that order."""
    baselines = baselines_of(splits)

    def judgement(split: str, examples: Examples) -> Judged:
        answered, said = answers(model, examples), baselines.said(examples)
        return Judged(answered, said, judge(splits, split, answered, said, recipe.measured_in))

    return judgement("validation", splits.validation), judgement("test", splits.test)


def _fit(
    core: keras.Model,
    recipe: Recipe,
    train: Examples,
    validation: Examples,
    callbacks: Sequence[keras.callbacks.Callback],
) -> History:
    fit = recipe.fit
    own: list[keras.callbacks.Callback] = [keras.callbacks.TerminateOnNaN()]
    if fit.early_stopping is not None:
        own.append(keras.callbacks.EarlyStopping("val_error", mode="min", **fit.early_stopping.model_dump()))
    began = time.monotonic()
    losses = core.fit(
        batches_of(train, fit.batch_size, np.random.default_rng(recipe.seed)),
        validation_data=batches_of(validation, JUDGED_AT_ONCE),
        epochs=fit.epochs,
        callbacks=[*own, *callbacks],
        shuffle=False,  # the batches shuffle themselves
        verbose=0,
    ).history
    loss, val_loss = losses["error"], losses.get("val_error", [])
    if not np.isfinite(loss + val_loss).all():
        raise FitDiverged(
            f"the loss became infinite or NaN in epoch {len(loss)} of {recipe.name}: lower the optimizer's "
            "learning_rate, give it a clipnorm, or leave scale_inputs and scale_targets on"
        )
    restored = fit.early_stopping is not None and fit.early_stopping.restore_best_weights
    kept = int(np.argmin(val_loss)) + 1 if restored else len(loss)
    return History(tuple(loss), tuple(val_loss), kept, time.monotonic() - began)


def _normalization(train: Examples) -> keras.layers.Layer:
    mean, variance = _moments(np.concatenate(train.inputs))
    return keras.layers.Normalization(mean=mean, variance=variance, name="scaled")


def _moments(rows: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of every column, summed in float64: `Normalization.adapt` sums in float32.

    A column that never varies has no deviation to be measured in: its variance is given as 1.
    """
    variance = rows.var(axis=0, dtype=np.float64)
    return rows.mean(axis=0, dtype=np.float64).astype(np.float32), np.where(variance > 0, variance, 1).astype(
        np.float32
    )


def _refuse_heads(recipe: Recipe, splits: Splits) -> None:
    if recipe.heads[-1].units != len(splits.outputs):
        raise RecipeRefused(
            f"heads[{len(recipe.heads) - 1}].units: is {recipe.heads[-1].units}, and the source has "
            f"{len(splits.outputs)} {'classes' if splits.task == 'classify' else 'targets'}: give one unit each"
        )
