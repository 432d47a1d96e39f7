"""From a recipe with open settings to the best one found: what `carousel tune` does."""

import os
import time
from concurrent.futures import as_completed
from pathlib import Path
from statistics import mean

from carousel_models.data.splits import splits_of
from carousel_models.recipe import moved, read_recipe, with_origin, with_seed, with_settings, write_recipe
from carousel_models.refusals import RecipeRefused
from carousel_models.report.search import write_tuning
from carousel_models.training.processes import processes
from carousel_models.training.quiet import quietly
from carousel_models.training.study import best_trials, finished, given_up, next_round, settings_of, study_of
from carousel_models.training.trials_progress import trials_progress
from carousel_models.training.tuned import Seeds, TuneResult

FINALISTS = 3
"""The best trials that are fitted again with other seeds: with one seed, chance decides between the best."""

SEEDS = 5
"""With how many seeds they are, and the recipe as it stands."""


def tune(
    recipe_path: Path,
    output: Path | None = None,
    *,
    trials: int | None = None,
    minutes: float | None = None,
    jobs: int | None = None,
    quiet: bool = False,
) -> TuneResult:
    """Look for better settings of what the recipe leaves open, and compare the best with the recipe as it stands.

    Trials are judged on the validation split, and so are the best of them again over several seeds. The figures of the
    test split are shown at the end and decide nothing. Called again with the same output, it goes on where it was
    interrupted, and ends as if it had not been.

    Args:
        recipe_path: A TOML file with a table [tune].
        output: Where study.db, best.toml, tune.json and pictures are written; build/tune/<name> where None.
        trials: How many trials in all, earlier ones included, rounded up to whole rounds; the recipe's own where None.
        minutes: No round of trials starts after so many minutes.
        jobs: Processes that fit beside each other; one for each core where None. The result does not depend on it.
        quiet: Show no progress bar.

    Returns:
        The best settings, the recipe that holds them, and how both recipes were judged.

    Raises:
        RecipeRefused: The recipe cannot be read or built, leaves nothing open, or the study there is of another one.
        SourceRefused: Its source yields no examples.
        FitDiverged: The recipe as it stands, or one of the best, diverges with another seed.
    """
    recipe = read_recipe(recipe_path)
    if recipe.tune is None:
        raise RecipeRefused(
            f"{recipe_path}: leaves nothing open: add a table [tune.open] with lists or ranges of what may be changed"
        )
    folder = recipe_path.parent
    splits_of(recipe, folder, recipe.longest)  # a fault of the source is told before any process starts
    with quietly():
        from carousel_models.training.trial import judge_recipe, run_trial  # noqa: PLC0415 - it imports TensorFlow
    output = Path("build", "tune", recipe.name) if output is None else output
    output.mkdir(parents=True, exist_ok=True)
    path = output / "study.db"
    study = study_of(path, recipe)
    end = time.monotonic() + 60 * (minutes or float("inf"))
    wanted = trials or recipe.tune.trials
    with processes(jobs or len(os.sched_getaffinity(0))) as pool:
        with trials_progress(study, wanted, quiet=quiet) as show:
            while len(finished(study)) < wanted and time.monotonic() < end:
                numbers = [trial.number for trial in next_round(study, recipe)]
                for fit in as_completed([pool.submit(run_trial, path, number, recipe, folder) for number in numbers]):
                    fit.result()
                    show()
        finalists = [{}, *(settings_of(trial) for trial in best_trials(study, FINALISTS))]
        recipes = [with_settings(recipe, settings) for settings in finalists]
        # None of the seeds is the one that the trials were fitted with: it may have been lucky for one of them.
        fits = [
            [
                pool.submit(judge_recipe, with_seed(each, recipe.seed + 1 + i), folder, recipe.longest)
                for i in range(SEEDS)
            ]
            for each in recipes
        ]
        default, *found = [
            Seeds(each, settings, *zip(*(fit.result() for fit in seeds), strict=True))
            for each, settings, seeds in zip(recipes, finalists, fits, strict=True)
        ]
    best = min([default, *found], key=lambda seeds: mean(seeds.errors))
    count = len(finished(study))
    chosen = moved(best.recipe, folder, output)
    if best is not default:
        chosen = with_origin(chosen, f"the best of {count} recipes by carousel tune, judged on the validation split")
    result = TuneResult(count, given_up(study), default, best, (write_recipe(output / "best.toml", chosen),))
    return write_tuning(output, study, result)
