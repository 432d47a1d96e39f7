"""A tuning ends the same however it is interrupted and on however many cores, and looks at no test split."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import Executor, Future
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from carousel_models.recipe import read_recipe, write_recipe
from carousel_models.refusals import RecipeRefused
from carousel_models.training import trial, tune, tuning
from carousel_models.training.study import MedianOfEarlierRounds, next_round, study_of
from carousel_models.training.trial import run_trial
from tests.carousel_models.training.waves import RECIPE, write

OPEN = """
[tune]
trials = 4
[tune.open]
units = [2, 8]
learning_rate = { low = 1e-4, high = 0.1, log = true }
timesteps = [3, 5]
"""

TUNE = """
import sys
from pathlib import Path
from carousel_models.training import tuning
tuning.SEEDS = tuning.FINALISTS = 1
if __name__ == "__main__":
    tuning.tune(Path(sys.argv[1]), Path(sys.argv[2]), jobs=1, quiet=True)
"""


RECIPE = RECIPE.replace('[[stack]]\nunits = 3\nactivation = "relu"\n', "")  # one layer is enough, and twice as fast


def tried(output: Path) -> list[tuple[dict, str, list[float]]]:
    """Say what the trials of a tuning tried, and how it went."""
    trials = json.loads((output / "tune.json").read_text("utf-8"))["trials"]
    return [(trial["settings"], trial["state"], trial["errors"]) for trial in trials]


def children(pid: int) -> set[int]:
    """Give the processes that `pid` started."""
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def ended(study: Path) -> int:
    """Count the trials that ended, beside the process that writes them."""
    try:
        with closing(sqlite3.connect(f"file:{study}?mode=ro", uri=True)) as database:
            return database.execute("SELECT COUNT(*) FROM trials WHERE state IN ('COMPLETE', 'PRUNED')").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


class Here(Executor):
    """Fit in this process, one after another: it has TensorFlow already."""

    def submit(self, function, *arguments):
        future = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:  # noqa: BLE001 - as executors do
            future.set_exception(error)
        return future


@pytest.fixture
def few(monkeypatch):
    """Compare one finalist with the recipe over one seed."""
    monkeypatch.setattr(tuning, "SEEDS", 1)
    monkeypatch.setattr(tuning, "FINALISTS", 1)


@pytest.mark.slow
@pytest.mark.usefixtures("few")
def test_interrupted_and_resumed_it_finds_the_same_best(tmp_path, monkeypatch):
    """Every trial is the same to the bit, and a test split fifty times as loud changes none."""
    monkeypatch.setattr(tuning, "processes", lambda _: Here())
    whole = tune(write(tmp_path, RECIPE + OPEN), tmp_path / "whole", quiet=True)
    path = write(tmp_path, RECIPE + OPEN, loud_end=50.0)

    def interrupted(study: Path, number: int, *arguments: object) -> None:
        if number == 2:
            raise KeyboardInterrupt
        run_trial(study, number, *arguments)

    with monkeypatch.context() as context:
        context.setattr(trial, "run_trial", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tune(path, tmp_path / "cut", quiet=True)
    assert ended(tmp_path / "cut" / "study.db") == 2
    resumed = tune(path, tmp_path / "cut", quiet=True)
    assert tried(tmp_path / "cut") == tried(tmp_path / "whole")
    assert resumed.best.settings == whole.best.settings
    assert resumed.best.errors == whole.best.errors
    best = read_recipe(whole.written[0])
    assert best.tune is None
    assert best.origin in {None, "the best of 4 recipes by carousel tune, judged on the validation split"}
    assert [path.suffix for path in whole.written] == [".toml", ".json", ".png", ".png"]
    assert all(path.stat().st_size for path in whole.written)
    assert "Tried 4 recipes" in str(whole)


@pytest.mark.soak
@pytest.mark.usefixtures("few")
def test_killed_in_the_middle_and_resumed_it_finds_the_same_best(tmp_path):
    """Its processes end with it, and what they left is taken up, by one process or by two."""
    whole = tune(write(tmp_path, RECIPE + OPEN), tmp_path / "whole", jobs=2, quiet=True)
    path, output = tmp_path / "recipe.toml", tmp_path / "killed"
    script = tmp_path / "tuning.py"
    script.write_text(TUNE)
    killed = subprocess.Popen([sys.executable, script, path, output], stderr=subprocess.DEVNULL)
    while killed.poll() is None and ended(output / "study.db") < 2:
        time.sleep(0.1)
    fitting = children(killed.pid)
    assert fitting
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in fitting):
        time.sleep(0.1)  # they end by themselves, or this test does not
    resumed = tune(path, output, jobs=1, quiet=True)
    assert tried(output) == tried(tmp_path / "whole")
    assert (resumed.best.settings, resumed.best.errors) == (whole.best.settings, whole.best.errors)


def test_a_study_of_another_recipe_is_refused(tmp_path):
    """More trials may be asked of a study, but not of other settings."""
    recipe = read_recipe(write(tmp_path, RECIPE + OPEN))
    study_of(tmp_path / "study.db", recipe)
    more = read_recipe(write(tmp_path, RECIPE + OPEN.replace("trials = 4", "trials = 80")))
    study_of(tmp_path / "study.db", more)
    other = read_recipe(write(tmp_path, RECIPE + OPEN.replace("[2, 8]", "[2, 9]")))
    with pytest.raises(RecipeRefused, match=r"holds the trials of another recipe: remove it, or say another --output"):
        study_of(tmp_path / "study.db", other)


def test_a_recipe_with_nothing_open_is_refused(tmp_path):
    """The message says what to add."""
    with pytest.raises(RecipeRefused, match=r"leaves nothing open: add a table \[tune\.open\]"):
        tune(write(tmp_path, RECIPE), tmp_path / "out", quiet=True)


def test_a_round_that_was_left_is_filled_and_not_asked_for_again(tmp_path):
    """What a round tries depends on the rounds before alone."""
    recipe = read_recipe(write(tmp_path, RECIPE + OPEN))
    whole, cut = (study_of(tmp_path / name, recipe) for name in ("whole.db", "cut.db"))
    first = next_round(whole, recipe)
    assert [trial.number for trial in first] == [0, 1, 2, 3]
    for asked in first[:2]:
        cut.add_trial(asked)
    assert [trial.params for trial in next_round(cut, recipe)] == [trial.params for trial in first]
    assert [trial.number for trial in next_round(cut, recipe)] == [0, 1, 2, 3]
    for study in (whole, cut):
        for number in range(4):
            study.tell(number, number / 2)
    second = next_round(whole, recipe)
    assert [trial.number for trial in second] == [4, 5, 6, 7]
    assert [trial.params for trial in next_round(cut, recipe)] == [trial.params for trial in second]


@pytest.mark.parametrize(("error", "earlier", "given_up"), [(9, 5, True), (1, 5, False), (9, 4, False)])
def test_a_trial_is_given_up_by_comparison_with_the_rounds_before_it(error, earlier, given_up):
    """Those of its own round do not count, whether they have ended or not."""
    study = optuna.create_study(pruner=MedianOfEarlierRounds())
    for number in range(9):
        ended = number < earlier or number == 8
        state, value = (TrialState.COMPLETE, 3.0) if ended else (TrialState.FAIL, None)
        study.add_trial(create_trial(state=state, value=value, intermediate_values={0: 3.0}))
    study.add_trial(create_trial(state=TrialState.RUNNING, intermediate_values={0: error}))
    assert study.pruner.prune(study, study.trials[9]) is given_up


def test_the_recipe_as_it_stands_can_be_written(tmp_path):
    """A table [tune] is part of a recipe."""
    recipe = read_recipe(write(tmp_path, RECIPE + OPEN))
    assert read_recipe(write_recipe(tmp_path / "again.toml", recipe)) == recipe
