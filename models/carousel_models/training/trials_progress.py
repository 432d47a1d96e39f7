"""A progress bar over the trials of a tuning."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import optuna

from carousel_models.training.bar import bar_of
from carousel_models.training.study import best_trials, finished


@contextmanager
def trials_progress(study: optuna.Study, wanted: int, *, quiet: bool) -> Iterator[Callable[[], None]]:
    """Show how many of `wanted` trials are done and the best so far, anew at each call; nothing if `quiet`."""
    if quiet:
        yield lambda: None
        return

    def show() -> None:
        best = best_trials(study, 1)
        figures = f"best so far: trial {best[0].number}, error {best[0].value:.4f}" if best else ""
        bar.update(task, completed=len(finished(study)), figures=figures)

    with bar_of("trials") as bar:
        task = bar.add_task(f"Tuning {study.study_name}", total=wanted, figures="")
        show()
        yield show
