"""A fitted model judged beside its baselines."""

from pathlib import Path

import keras
import numpy as np

from carousel.tensors import Floats
from carousel_models.data.batches import batches_of
from carousel_models.data.examples import Examples, Splits
from carousel_models.data.splits import splits_of
from carousel_models.recipe import Recipe
from carousel_models.report.scores import Scores, judge
from carousel_models.training.baselines import baselines_of
from carousel_models.training.fit import JUDGED_AT_ONCE, fitted
from carousel_models.training.result import Judged


def answers(model: keras.Model, examples: Examples) -> Floats:
    """Give the model's answer to every example, in their order: float32 [examples, units], a sequence flattened."""
    given: Floats = model.predict(batches_of(examples, JUDGED_AT_ONCE), verbose=0)
    return given.reshape(len(given), -1)[np.argsort(np.concatenate(examples.by_length))]


def judged(model: keras.Model, recipe: Recipe, splits: Splits) -> tuple[Judged, Judged]:
    """Judge `model` beside its baselines on the validation and on the test split, in that order."""
    baselines = baselines_of(splits)

    def judgement(split: str, examples: Examples) -> Judged:
        answered, said = answers(model, examples), baselines.said(examples)
        return Judged(answered, said, judge(splits, split, answered, said, recipe.measured_in))

    return judgement("validation", splits.validation), judgement("test", splits.test)


def walked_forward(recipe: Recipe, folder: Path) -> tuple[Scores, ...]:
    """Fit `recipe` again as often as it says, each time to rows that end a test split earlier, and judge each fit.

    Raises:
        SourceRefused: So early, there are too few rows.
        FitDiverged: The loss became infinite or NaN.
    """
    scores = []
    for back in range(1, recipe.walks + 1):
        splits = splits_of(recipe, folder, back=back)
        model, _ = fitted(recipe, splits)
        scores.append(judged(model, recipe, splits)[1].scores)
    return tuple(scores)
