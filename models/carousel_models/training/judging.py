"""A fitted model judged beside its baselines."""

import keras
import numpy as np

from carousel.tensors import Floats
from carousel_models.data.batches import batches_of
from carousel_models.data.examples import Examples, Splits
from carousel_models.recipe import Recipe
from carousel_models.report.scores import judge
from carousel_models.training.baselines import baselines_of
from carousel_models.training.result import Judged

JUDGED_AT_ONCE = 256
"""Examples of a batch where none is fitted."""


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
