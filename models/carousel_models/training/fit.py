"""A recipe's layers fitted to its examples."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from carousel_models.data.batches import Shuffle, batches_of
from carousel_models.data.examples import Splits
from carousel_models.recipe import Recipe
from carousel_models.refusals import FitDiverged, RecipeRefused
from carousel_models.training.course import Course
from carousel_models.training.interrupts import Interrupts
from carousel_models.training.network import class_weights, compiled, embedding_of, layers_of
from carousel_models.training.result import History
from carousel_models.training.scaling import moments, to_deviations, to_raw_units

JUDGED_AT_ONCE = 256
"""Examples of a batch where none is fitted."""


def fitted(
    recipe: Recipe,
    splits: Splits,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> tuple[keras.Model, History]:
    """Fit the layers of `recipe` to the training split; the same recipe gives the same weights on one machine.

    Scaling is part of the model, taken from the training split alone. To forecast, the layers are fitted to targets
    in standard deviations, so that loss and learning rate mean the same whatever the unit, and a layer behind them
    turns their answers back into raw numbers.

    An interrupt from the keyboard ends it after one epoch or more as if the recipe had asked for no further epoch.

    Args:
        recipe: What to build and how to fit it.
        splits: The examples; those for testing are not looked at.
        callbacks: Keras' own, told of every epoch; `val_error` is the loss on the validation split without penalties.
        checkpoint: Where all that is needed to go on is written after each epoch; nowhere if None.
        resume: Go on from what is there, to the same weights as without an interruption, bit for bit.

    Returns:
        A model that takes raw numbers, float32 [batch, timesteps, input_dim], or tokens, int32 [batch, timesteps], and
        gives raw numbers or probabilities, [batch, units] or with a decoder [batch, horizons, targets]; and how fitting
        went.

    Raises:
        RecipeRefused: Keras does not know something that the recipe names, or the heads do not fit the targets.
        CheckpointRefused: What is there to go on from is damaged or of another fit.
        FitDiverged: The loss became infinite or NaN.
        KeyboardInterrupt: There was an interrupt in the first epoch.
    """
    _refuse_heads(recipe, splits)
    keras.utils.set_random_seed(recipe.seed)
    inputs = keras.Input(splits.input_shape, name="inputs", dtype=splits.train.inputs[0].dtype.name)
    core = compiled(keras.Sequential([inputs, *_first(recipe, splits), *layers_of(recipe)], name="core"), recipe.fit)
    train, validation, raw_units = splits.train, splits.validation, []
    if recipe.decoder:
        train, validation = (
            replace(part, targets=part.targets.reshape(len(part), recipe.horizons, -1)) for part in (train, validation)
        )
    if splits.task == "forecast" and recipe.fit.scale_targets:
        # A target is scaled alike at every horizon of a decoder: its layers are the same at each.
        mean, variance = moments([train.targets.reshape(-1, train.targets.shape[-1])])
        train, validation = (
            replace(part, targets=(part.targets - mean) / np.sqrt(variance)) for part in (train, validation)
        )
        raw_units = [to_raw_units(mean, variance)]
    shuffle = Shuffle(recipe.seed)
    counting = _counting(recipe)
    course = Course(recipe, train, counting, shuffle)
    done = course.keep(checkpoint, resume=resume) if checkpoint else 0
    began, interrupted = time.monotonic(), False
    interrupts = Interrupts()
    try:
        with interrupts.heard_between_batches():
            core.fit(
                batches_of(train, recipe.fit.batch_size, shuffle),
                validation_data=batches_of(validation, JUDGED_AT_ONCE),
                initial_epoch=done,
                epochs=done if course.stopped else max(done, recipe.fit.epochs),
                callbacks=[interrupts, keras.callbacks.TerminateOnNaN(), *counting, course, *callbacks],
                class_weight=class_weights(recipe, splits),
                shuffle=False,  # the batches shuffle themselves
                verbose=0,
            )
    except KeyboardInterrupt:
        if not course.weights:
            raise
        interrupted = True
        core.set_weights(course.weights)
        for callback in counting:
            callback.on_train_end()
    history = _history(recipe, course, counting, time.monotonic() - began, interrupted=interrupted)
    return keras.Sequential([inputs, *core.layers, *raw_units], name="model"), history


def _first(recipe: Recipe, splits: Splits) -> list[keras.layers.Layer]:
    """Make what stands before the stack: the embedding of tokens, or the scaling of numbers, if the recipe scales."""
    if recipe.embedding is not None:
        return [embedding_of(recipe, recipe.embedding, len(splits.vocabulary))]
    return [to_deviations(*moments(splits.train.rows()))] if recipe.fit.scale_inputs else []


def _counting(recipe: Recipe) -> list[keras.callbacks.Callback]:
    fit = recipe.fit
    counting: list[keras.callbacks.Callback] = []
    if fit.reduce_learning_rate is not None:
        given = fit.reduce_learning_rate.model_dump()
        counting.append(keras.callbacks.ReduceLROnPlateau("val_error", mode="min", **given))
    if fit.early_stopping is not None:
        counting.append(keras.callbacks.EarlyStopping("val_error", mode="min", **fit.early_stopping.model_dump()))
    return counting


def _history(
    recipe: Recipe,
    course: Course,
    counting: Sequence[keras.callbacks.Callback],
    seconds: float,
    *,
    interrupted: bool,
) -> History:
    if not course.losses or not np.isfinite(course.losses).all():
        raise FitDiverged(
            f"the loss became infinite or NaN in epoch {len(course.losses)} of {recipe.name}: lower the optimizer's "
            "learning_rate, give it a clipnorm, or leave scale_inputs and scale_targets on"
        )
    kept = len(course.losses)
    for callback in counting:
        if isinstance(callback, keras.callbacks.EarlyStopping) and callback.restore_best_weights:
            kept = callback.best_epoch + 1
    loss, val_loss = zip(*course.losses, strict=True)
    return History(loss, val_loss, kept, seconds, interrupted=interrupted)


def _refuse_heads(recipe: Recipe, splits: Splits) -> None:
    if splits.task == "classify" and recipe.heads[-1].units != len(splits.outputs):
        raise RecipeRefused(
            f"heads[{len(recipe.heads) - 1}].units: is {recipe.heads[-1].units}, and the source has "
            f"{len(splits.outputs)} classes: give one unit each"
        )
