"""How well a model does on one split beside its baselines, in raw units."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carousel.tensors import Floats
from carousel_models.data.examples import Examples, Splits

LOWER_IS_BETTER = {"mse", "mae"}
DECISIVE = {"mse", "accuracy"}
"""The figures that decide whether a model is better than a baseline."""


@dataclass(frozen=True, slots=True)
class Score:
    """One figure of one output, for the model and for each baseline.

    Attributes:
        output: The target column; empty where the figure is of all classes.
        metric: mse, mae, r2 or accuracy.
        unit: The unit of the figure; empty where it has none.
        model: The model's figure.
        baselines: Each baseline's figure, by its name.
    """

    output: str
    metric: str
    unit: str
    model: float
    baselines: Mapping[str, float]

    def better_than(self, baseline: str) -> bool:
        """Whether the model is strictly better than `baseline`."""
        if self.metric in LOWER_IS_BETTER:
            return self.model < self.baselines[baseline]
        return self.model > self.baselines[baseline]

    def against(self, *names: str) -> str:
        """Write the model's figure beside those of the named baselines."""
        figure = " ".join(filter(None, [self.output, self.metric.upper() if self.output else self.metric]))
        others = listed(f"{self.baselines[name]:.4g}" for name in names)
        return f"{figure} {self.model:.4g} against {others} {self.unit}".rstrip()

    def __str__(self) -> str:
        return self.against(*self.baselines)


@dataclass(frozen=True, slots=True)
class Scores:
    """Every figure of one split.

    Attributes:
        split: validation or test.
        scores: The figures, output by output.
    """

    split: str
    scores: tuple[Score, ...]

    @property
    def baselines(self) -> tuple[str, ...]:
        """The names of the baselines."""
        return tuple(self.scores[0].baselines)

    @property
    def decisive(self) -> tuple[Score, ...]:
        """The figures that decide whether the model is better: the MSE of every target, or accuracy."""
        return tuple(score for score in self.scores if score.metric in DECISIVE)

    @property
    def unbeaten(self) -> tuple[str, ...]:
        """The baselines that are as good as the model or better in a decisive figure."""
        return tuple(name for name in self.baselines if not all(score.better_than(name) for score in self.decisive))

    def __str__(self) -> str:
        names = self.unbeaten or self.baselines
        verdict = "The model is not better than" if self.unbeaten else "The model is better than"
        figures = "; ".join(score.against(*names) for score in self.decisive)
        advice = " Use the simpler method, or let carousel tune look for a better recipe." if self.unbeaten else ""
        return f"{verdict} {listed(names)} on the {self.split} split: {figures}.{advice}"


def judge(
    splits: Splits, split: str, answers: Floats, baselines: Mapping[str, NDArray[Any]], measured_in: Mapping[str, str]
) -> Scores:
    """Compare answers to one split, float32 [examples, units], with its truth and with what each baseline says.

    R2 is 1 - SSE / SST, the share of the variance that is explained (negative where the mean would have done better);
    where the truth does not vary it is 1 for a perfect answer and 0 for any other.
    """
    examples: Examples = getattr(splits, split)
    truth = examples.targets
    if splits.task == "classify":
        accuracy = {name: float(np.mean(said == truth)) for name, said in baselines.items()}
        return Scores(split, (Score("", "accuracy", "", float(np.mean(answers.argmax(axis=1) == truth)), accuracy),))
    scores = []
    for i, output in enumerate(splits.outputs):
        unit = measured_in.get(output, "")
        model = _figures(answers[:, i], truth[:, i])
        others = {name: _figures(said[:, i], truth[:, i]) for name, said in baselines.items()}
        units = {"mse": f"({unit})²" if unit else "", "mae": unit, "r2": ""}
        scores += [
            Score(output, metric, units[metric], model[metric], {name: of[metric] for name, of in others.items()})
            for metric in units
        ]
    return Scores(split, tuple(scores))


def listed(words: Any) -> str:
    """Write words as a list in a sentence: a, b and c."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def _figures(said: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
    said, truth = said.astype(np.float64), truth.astype(np.float64)
    squares, spread = np.square(said - truth).sum(), np.square(truth - truth.mean()).sum()
    unvarying = 1.0 if squares == 0 else 0.0
    return {
        "mse": float(squares / len(truth)),
        "mae": float(np.abs(said - truth).mean()),
        "r2": float(1 - squares / spread) if spread > 0 else unvarying,
    }
