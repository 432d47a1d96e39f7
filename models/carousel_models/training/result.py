"""A training that is over: what was built, how fitting went, what the model answers and how good that is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from carousel.tensors import Floats
from carousel_models.data.examples import Splits
from carousel_models.data.fields import written
from carousel_models.recipe import Recipe
from carousel_models.report.scores import Scores


@dataclass(frozen=True, slots=True)
class History:
    """How fitting went.

    Attributes:
        loss: On the training split in each epoch, without the penalties of regularizers, [epochs].
        val_loss: The same on the validation split after each epoch, [epochs].
        kept: The epoch whose weights the model has, from 1.
        seconds: How long fitting took, since it was last resumed.
        interrupted: Whether an interrupt from the keyboard ended it.
    """

    loss: tuple[float, ...]
    val_loss: tuple[float, ...]
    kept: int
    seconds: float
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """What a model and its baselines say of one split, and how good that is.

    Attributes:
        answers: What the model answers, float32 [examples, units].
        baselines: What each baseline says, by its name; each like the split's targets.
        scores: The figures of all of them.
    """

    answers: Floats
    baselines: Mapping[str, NDArray[Any]]
    scores: Scores


@dataclass(frozen=True, slots=True)
class Training:
    """What a report tells.

    Attributes:
        recipe: What was built.
        splits: What it was fitted to and judged by.
        history: How fitting went.
        layers: Name, kind, output's shape and number of parameters of each layer.
        validation: How good the model is where settings may be chosen.
        test: How good it is on what nothing was chosen by.
        earlier: How good the recipe was on earlier test splits, fitted to what came before them; the latest first.
    """

    recipe: Recipe
    splits: Splits
    history: History
    layers: tuple[tuple[str, str, str, int], ...]
    validation: Judged
    test: Judged
    earlier: tuple[Scores, ...] = ()

    @property
    def extents(self) -> list[tuple[str, int, str, str]]:
        """Each split's name, number of examples, and when its first and its last target are."""
        splits = {"train": self.splits.train, "validation": self.splits.validation, "test": self.splits.test}
        return [
            (name, len(examples), written(examples.at[0]), written(examples.at[-1]))
            for name, examples in splits.items()
        ]

    @property
    def measured_in(self) -> dict[str, str]:
        """The unit of each target that has one."""
        return self.recipe.measured_in
