"""How well a model does on the test split, beside a baseline, in raw units."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carousel.tensors import Floats
from carousel_models.data.examples import Splits


@dataclass(frozen=True, slots=True)
class Score:
    """One figure of one output, for the model and for the baseline.

    Attributes:
        output: The target column; empty where the figure is of all classes.
        metric: mse, mae, r2 or accuracy.
        unit: The unit of the figure; empty where it has none.
    """

    output: str
    metric: str
    unit: str
    model: float
    baseline: float

    @property
    def better(self) -> bool:
        """Whether the model is strictly better than the baseline."""
        if self.metric in {"mse", "mae"}:
            return self.model < self.baseline
        return self.model > self.baseline

    def __str__(self) -> str:
        figure = " ".join(filter(None, [self.output, self.metric.upper() if self.output else self.metric]))
        return f"{figure} {self.model:.4g} against {self.baseline:.4g} {self.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Scores:
    """Every figure of the test split.

    Attributes:
        against: What the baseline is called.
    """

    against: str
    scores: tuple[Score, ...]

    @property
    def decisive(self) -> tuple[Score, ...]:
        """The figures that decide whether the model beats the baseline: the MSE of every target, or accuracy."""
        return tuple(score for score in self.scores if score.metric in {"mse", "accuracy"})

    @property
    def beaten(self) -> bool:
        """Whether every decisive figure is better than the baseline's."""
        return all(score.better for score in self.decisive)

    def __str__(self) -> str:
        verdict = "The model beats" if self.beaten else "THE MODEL DOES NOT BEAT"
        return f"{verdict} {self.against} on the test split: {'; '.join(map(str, self.decisive))}."


def judge(splits: Splits, answers: Floats, measured_in: dict[str, str]) -> Scores:
    """Compare answers to the test split, float32 [examples, units], with its truth and its baseline.

    R2 is 1 - SSE / SST, the share of the variance that is explained (negative where the mean would have done better);
    where the truth does not vary it is 1 for a perfect answer and 0 for any other.
    """
    truth, baseline = splits.test.targets, splits.test.baseline
    if splits.task == "classify":
        accuracies = (float(np.mean(said == truth)) for said in (answers.argmax(axis=1), baseline))
        return Scores(splits.baseline, (Score("", "accuracy", "", *accuracies),))
    scores = []
    for i, output in enumerate(splits.outputs):
        unit = measured_in.get(output, "")
        model, base = (_figures(said[:, i], truth[:, i]) for said in (answers, baseline))
        units = {"mse": f"({unit})²" if unit else "", "mae": unit, "r2": ""}
        scores += [Score(output, metric, units[metric], model[metric], base[metric]) for metric in units]
    return Scores(splits.baseline, tuple(scores))


def _figures(said: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
    said, truth = said.astype(np.float64), truth.astype(np.float64)
    squares, spread = np.square(said - truth).sum(), np.square(truth - truth.mean()).sum()
    unvarying = 1.0 if squares == 0 else 0.0
    return {
        "mse": float(squares / len(truth)),
        "mae": float(np.abs(said - truth).mean()),
        "r2": float(1 - squares / spread) if spread > 0 else unvarying,
    }
