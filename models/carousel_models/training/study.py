"""The Optuna study of a tuning: trials asked for in rounds, kept in SQLite, the same after an interruption."""

from math import inf, isfinite
from pathlib import Path
from statistics import median
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from carousel_models.recipe import Open, Range, Recipe, Settings
from carousel_models.refusals import RecipeRefused

ROUND = 4
"""Trials that are asked for at once: what they try depends on the rounds before alone."""

MIN_COMPARED = 5
"""A trial is given up only by comparison with so many others."""


class MedianOfEarlierRounds(optuna.pruners.BasePruner):
    """Give up a trial whose best error so far is worse than the median of the earlier rounds' at the same epoch.

    Optuna's MedianPruner looks at whatever has ended by now. This one looks at the rounds before alone, so that neither
    the number of processes nor an interruption changes what is given up.
    """

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Decide about a trial after its last reported epoch."""
        if trial.last_step is None:
            return False
        first = trial.number - trial.number % ROUND
        earlier = [
            _best_until(other, trial.last_step)
            for other in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            if other.number < first
        ]
        return len(earlier) >= MIN_COMPARED and _best_until(trial, trial.last_step) > median(earlier)


def _best_until(trial: FrozenTrial, epoch: int) -> float:
    return min((error for step, error in trial.intermediate_values.items() if step <= epoch), default=inf)


def load_study(path: Path, name: str) -> optuna.Study:
    """Open the study `name` at `path`, or make it; several processes may."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(f"sqlite:///{path.absolute()}", {"connect_args": {"timeout": 60}})
    return optuna.create_study(storage=storage, study_name=name, pruner=MedianOfEarlierRounds(), load_if_exists=True)


def study_of(path: Path, recipe: Recipe) -> optuna.Study:
    """Open the study of `recipe` at `path`, or make it.

    Raises:
        RecipeRefused: The study there is of another recipe.
    """
    study = load_study(path, recipe.name)
    # The budget is no part of what is looked for: a study may be given more trials later.
    tables = recipe.tables
    tables["tune"].pop("trials", None)
    if study.user_attrs.setdefault("recipe", tables) != tables:
        raise RecipeRefused(f"{path} holds the trials of another recipe: remove it, or say another --output")
    study.set_user_attr("recipe", tables)
    return study


def next_round(study: optuna.Study, recipe: Recipe) -> list[FrozenTrial]:
    """Give the trials that an interruption left running, and ask for new ones until the round is full.

    A trial is written with all that it tries at once, so none is ever half there.
    """
    trials = study.get_trials(deepcopy=False)
    left = [trial for trial in trials if trial.state == TrialState.RUNNING]
    if not left or len(trials) % ROUND:
        for _ in range(ROUND - len(trials) % ROUND):
            study.add_trial(_suggested(study.get_trials(deepcopy=False), recipe))
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state == TrialState.RUNNING]


def settings_of(trial: FrozenTrial) -> Settings:
    """Give what a trial tries."""
    return dict(trial.params)


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Give the trials that ended, given up or not."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def given_up(study: optuna.Study) -> int:
    """Count the trials that were given up before they were fitted to the end."""
    return len(study.get_trials(deepcopy=False, states=(TrialState.PRUNED,)))


def best_trials(study: optuna.Study, count: int) -> list[FrozenTrial]:
    """Give the best trials, no two of which tried the same, best first."""
    best: list[FrozenTrial] = []
    for trial in sorted(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)), key=_error):
        if trial.params not in [other.params for other in best] and isfinite(_error(trial)):
            best.append(trial)
    return best[:count]


def _error(trial: FrozenTrial) -> float:
    assert trial.value is not None
    return trial.value


def _suggested(trials: list[FrozenTrial], recipe: Recipe) -> FrozenTrial:
    """Ask TPE what to try after `trials`; the answer depends on them and the recipe's seed alone."""
    assert recipe.tune is not None
    sampler = optuna.samplers.TPESampler(seed=recipe.seed + len(trials), constant_liar=True)
    scratch = optuna.create_study(sampler=sampler)
    scratch.add_trials(trials)
    distributions = _distributions(recipe.tune.open)
    params = scratch.ask(distributions).params
    return optuna.trial.create_trial(state=TrialState.RUNNING, params=params, distributions=distributions)


def _distributions(left_open: Open) -> dict[str, Any]:
    said = {key: getattr(left_open, key) for key in sorted(left_open.model_fields_set)}
    return {
        key: optuna.distributions.FloatDistribution(values.low, values.high, log=values.log)
        if isinstance(values, Range)
        else optuna.distributions.CategoricalDistribution(values)
        for key, values in said.items()
    }
