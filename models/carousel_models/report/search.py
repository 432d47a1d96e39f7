"""The report of a tuning: figures as JSON, and pictures of how the search went and what mattered."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from carousel_models.report.looks import BASELINE, KEPT, MODEL, TRUTH, figure_of, say
from carousel_models.training.tuned import Seeds, TuneResult


def write_tuning(folder: Path, study: optuna.Study, result: TuneResult) -> TuneResult:
    """Write tune.json, history.png and importance.png into `folder`, and name them in the result."""
    figures, history, importance = folder / "tune.json", folder / "history.png", folder / "importance.png"
    weights = _importances(study)
    figures.write_text(json.dumps(_figures(study, result, weights), indent=2, ensure_ascii=False) + "\n", "utf-8")
    _draw_history(history, study)
    _draw_importance(importance, study.study_name, weights)
    return replace(result, written=(*result.written, figures, history, importance))


def _importances(study: optuna.Study) -> dict[str, float]:
    """Give each setting's share of the variance of the error, by fANOVA; empty where too few trials tell."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len({trial.value for trial in complete if np.isfinite(trial.value or np.inf)}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def _figures(study: optuna.Study, result: TuneResult, weights: dict[str, float]) -> dict[str, Any]:
    return {
        "verdict": str(result),
        "trials": [
            {
                "number": trial.number,
                "settings": trial.params,
                "state": trial.state.name.lower(),
                "errors": list(trial.intermediate_values.values()),
            }
            for trial in study.get_trials(deepcopy=False)
        ],
        "importance": weights,
        "default": _seeds(result.default),
        "best": _seeds(result.best),
    }


def _seeds(seeds: Seeds) -> dict[str, Any]:
    return {
        "settings": dict(seeds.settings),
        "recipe": seeds.recipe.tables,
        "validation_errors": seeds.errors,
        "test": [[asdict(score) for score in scores.scores] for scores in seeds.test],
    }


def _draw_history(path: Path, study: optuna.Study) -> None:
    """Draw each trial's least error, and the best so far."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.intermediate_values]
    errors = np.array([min(trial.intermediate_values.values()) for trial in trials])
    numbers = np.array([trial.number for trial in trials])
    complete = np.array([trial.state == TrialState.COMPLETE for trial in trials])
    figure = figure_of(8, 4.5)
    axes = figure.subplots()
    axes.scatter(numbers[complete], errors[complete], s=18, color=MODEL, label="fitted to the end")
    axes.scatter(numbers[~complete], errors[~complete], s=18, color=BASELINE, label="given up early")
    best = np.minimum.accumulate(np.where(complete, errors, np.inf))
    axes.step(numbers, best, where="post", color=KEPT, label="best so far")
    axes.set_yscale("log")
    say(axes, f"{study.study_name}: error on the validation split", "trial", "least error of its epochs")
    axes.legend(frameon=False)
    figure.savefig(path)


def _draw_importance(path: Path, name: str, weights: dict[str, float]) -> None:
    """Draw what share of the error's variance each setting explains."""
    figure = figure_of(8, 1.5 + 0.35 * max(1, len(weights)))
    axes = figure.subplots()
    axes.barh(list(weights)[::-1], list(weights.values())[::-1], color=TRUTH)
    say(axes, f"{name}: what the error depended on (fANOVA)", "share of the variance", "")
    figure.savefig(path)
