"""What a process does for a tuning: fit one recipe, and say how good it is."""

import math
from pathlib import Path
from typing import Any

import keras
import optuna
from optuna.trial import TrialState

from carousel_models.data.splits import splits_of
from carousel_models.recipe import Recipe, with_settings
from carousel_models.refusals import FitDiverged
from carousel_models.report.scores import Scores
from carousel_models.training.fit import fitted
from carousel_models.training.judging import judged
from carousel_models.training.study import load_study, settings_of


def run_trial(study_path: Path, number: int, recipe: Recipe, folder: Path) -> None:
    """Fit what trial `number` of the study at `study_path` tries, and write into the study how good it is.

    A trial's error is its least on the validation split. The test split is not looked at.
    """
    study = load_study(study_path, recipe.name)
    frozen = study.get_trials(deepcopy=False)[number]
    trial = optuna.Trial(study, frozen._trial_id)  # noqa: SLF001 - only by it is a running trial taken up
    tried = with_settings(recipe, settings_of(frozen))
    keras.utils.clear_session()
    try:
        _, history = fitted(tried, splits_of(tried, folder, recipe.longest), [_Report(trial, frozen)])
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except FitDiverged:
        study.tell(trial, math.inf)
    else:
        study.tell(trial, min(history.val_loss))


def judge_recipe(recipe: Recipe, folder: Path, longest: int) -> tuple[float, Scores]:
    """Fit `recipe`, and give its least error on the validation split and its figures on the test split."""
    keras.utils.clear_session()
    splits = splits_of(recipe, folder, longest)
    model, history = fitted(recipe, splits)
    _, test = judged(model, recipe, splits)
    return min(history.val_loss), test.scores


class _Report(keras.callbacks.Callback):  # type: ignore[misc]
    """Tell the study the error after each epoch, and stop where the study gives the trial up."""

    def __init__(self, trial: optuna.Trial, frozen: optuna.trial.FrozenTrial) -> None:
        super().__init__()
        self._trial = trial
        self._reported = set(frozen.intermediate_values)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Report."""
        if epoch not in self._reported and math.isfinite(logs["val_error"]):
            self._trial.report(logs["val_error"], epoch)
        if self._trial.should_prune():
            raise optuna.TrialPruned
