"""A training that is over: what was built, how fitting went, what the model answers and how good that is."""

from dataclasses import dataclass

from carousel.tensors import Floats
from carousel_models.data.examples import Splits
from carousel_models.recipe.recipe import CsvSource, Recipe
from carousel_models.report.scores import Scores


@dataclass(frozen=True, slots=True)
class History:
    """How fitting went.

    Attributes:
        loss: On the training split after each epoch, [epochs].
        val_loss: On the validation split after each epoch, [epochs].
        kept: The epoch whose weights the model has, from 1.
        seconds: How long fitting took.
    """

    loss: tuple[float, ...]
    val_loss: tuple[float, ...]
    kept: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Training:
    """What a report tells.

    Attributes:
        recipe: What was built.
        splits: What it was fitted to and judged by.
        history: How fitting went.
        parameters: How many numbers the model has, scaling included.
        answers: What the model answers to the test split, float32 [examples, units].
        scores: The figures of these answers beside the baseline's.
    """

    recipe: Recipe
    splits: Splits
    history: History
    parameters: int
    answers: Floats
    scores: Scores

    @property
    def measured_in(self) -> dict[str, str]:
        """The unit of each target that has one."""
        return self.recipe.source.measured_in if isinstance(self.recipe.source, CsvSource) else {}
