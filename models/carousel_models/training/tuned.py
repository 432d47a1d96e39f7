"""What a tuning found: the best recipe beside the one it began with, over several seeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from carousel_models.recipe import Recipe, Settings
from carousel_models.report.scores import LOWER_IS_BETTER, Score, Scores, listed


@dataclass(frozen=True, slots=True)
class Seeds:
    """One recipe, fitted with several seeds.

    Attributes:
        recipe: What was fitted.
        settings: What the tuning chose for it; empty for the recipe as it stands.
        errors: The least error on the validation split, [seeds].
        test: The figures of the test split, [seeds].
    """

    recipe: Recipe
    settings: Settings
    errors: tuple[float, ...]
    test: tuple[Scores, ...]

    @property
    def figures(self) -> dict[tuple[str, str], tuple[float, ...]]:
        """The model's decisive figures by output and metric, each [seeds]."""
        outputs = [(score.output, score.metric) for score in self.test[0].decisive]
        of_seeds = zip(*([score.model for score in scores.decisive] for scores in self.test), strict=True)
        return dict(zip(outputs, of_seeds, strict=True))


@dataclass(frozen=True, slots=True)
class TuneResult:
    """What a tuning found.

    Attributes:
        trials: How many recipes were tried.
        given_up: How many of these were given up before they were fitted to the end.
        default: The recipe as it stands.
        best: The best one by its mean error on the validation split; `default` where none was better.
        written: The best recipe as TOML, the figures as JSON, and the pictures.
    """

    trials: int
    given_up: int
    default: Seeds
    best: Seeds
    written: tuple[Path, ...]

    def __str__(self) -> str:
        tried = f"Tried {self.trials} recipes, {self.given_up} of them given up early."
        if self.best is self.default:
            found = "None is better on the validation split than the recipe as it stands, over as many seeds."
        else:
            found = f"The best on the validation split: {settings_in_words(self.best.settings)}."
        seeds = f"On the test split, over {len(self.best.test)} seeds, mean (least to greatest):"
        figures = (f"  {self._compared(score)}" for score in self.best.test[0].decisive)
        return "\n".join([tried, found, seeds, *figures, *map(str, self.written)])

    def _compared(self, score: Score) -> str:
        best, default = (seeds.figures[score.output, score.metric] for seeds in (self.best, self.default))
        others: dict[str, tuple[float, ...]] = {name: (figure,) for name, figure in score.baselines.items()}
        if self.best is not self.default:
            others = {"the default": default, **others}
        figure = " ".join(filter(None, [score.output, score.metric.upper() if score.output else score.metric]))
        return f"{figure} {_spread(best)}{score.unit and f' {score.unit}'}: " + listed(
            f"{_change(mean(best), mean(other), score.metric)} {name} {_spread(other)}"
            for name, other in others.items()
        )


def settings_in_words(settings: Mapping[str, str | int | float]) -> str:
    """Write settings as a line."""
    return ", ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in sorted(settings.items())
    )


def _spread(figures: tuple[float, ...]) -> str:
    if len(figures) == 1:
        return f"{figures[0]:.4g}"
    return f"{mean(figures):.4g} ({min(figures):.4g} to {max(figures):.4g})"


def _change(best: float, other: float, metric: str) -> str:
    if metric not in LOWER_IS_BETTER:
        return f"{100 * (best - other):+.1f} points against"
    return f"{100 * (best / other - 1):+.1f} % against" if other else "against"
