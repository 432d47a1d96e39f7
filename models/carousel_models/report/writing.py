"""The report of a training: figures as JSON, pictures, and the held-out sequences to try the served model on."""

import json
import platform
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from carousel_models.data.fields import written
from carousel_models.report.classes import draw_calibration, draw_confusion
from carousel_models.report.curves import draw_loss
from carousel_models.report.forecasts import draw_errors, draw_forecast, draw_residuals, draw_splits
from carousel_models.report.page import page_of
from carousel_models.training.result import Training

MAX_HELD_OUT = 5_000
"""Sequences that held_out.npz holds at most."""

MADE_WITH = ("lstm-carousel", "keras", "tensorflow", "numpy", "scikit-learn")


def write_report(folder: Path, training: Training) -> tuple[Path, ...]:
    """Write report.json, report.html and the pictures into `folder`, and give their paths.

    The folder is made if it is not there; files of an earlier report are replaced. The page holds the pictures itself.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if training.splits.task == "forecast":
        drawn = {
            "splits": ("Splits", draw_splits(training)),
            "loss": ("Losses", draw_loss(training)),
            "forecast": ("Forecast and truth", draw_forecast(training)),
            "errors": ("Errors by season and horizon", draw_errors(training)),
            "residuals": ("Residuals", draw_residuals(training)),
        }
    else:
        drawn = {
            "loss": ("Losses", draw_loss(training)),
            "confusion": ("Confusion", draw_confusion(training)),
            "calibration": ("Calibration", draw_calibration(training)),
        }
    figures, page = folder / "report.json", folder / "report.html"
    figures.write_text(json.dumps(_figures(training), indent=2, ensure_ascii=False) + "\n", "utf-8")
    page.write_text(page_of(training, dict(drawn.values()), _versions()), "utf-8")
    for name, (_, figure) in drawn.items():
        figure.savefig(folder / f"{name}.png")
    return figures, page, *(folder / f"{name}.png" for name in drawn)


def write_held_out(path: Path, training: Training) -> None:
    """Write the test split, to try a served model on sequences it never saw: some of it, evenly, where it is large.

    The file is numpy's .npz, without pickled objects:

    - `inputs_0`, `inputs_1`, ...: the sequences in raw numbers, each float32 [timesteps, input_dim];
    - `targets`: the truth, float32 [examples, units], or int64 [examples] indices into `outputs` for classes;
    - `baselines`: names of the baselines, str [baselines];
    - `baseline_0`, `baseline_1`, ...: what each of them says, like `targets`;
    - `predictions`: what the Keras model answers, float32 [examples, units];
    - `at`: when each target, or the nearest of them, was, or its number, str [examples];
    - `outputs`: names of the units, str [units].
    """
    examples, judged = training.splits.test, training.test
    some = slice(None, None, -(-len(examples) // MAX_HELD_OUT))
    inputs = {f"inputs_{i}": sequence for i, sequence in enumerate(examples.inputs[some])}
    said = {f"baseline_{i}": said[some] for i, said in enumerate(judged.baselines.values())}
    arrays = {
        **inputs,
        **said,
        "targets": examples.targets[some],
        "baselines": np.array(list(judged.baselines)),
        "predictions": judged.answers[some],
        "at": np.array([written(moment) for moment in examples.at[some]]),
        "outputs": np.array(training.splits.outputs),
    }
    np.savez_compressed(path, allow_pickle=False, **arrays)


def _figures(training: Training) -> dict[str, Any]:
    splits, history, test = training.splits, training.history, training.test.scores
    return {
        "name": training.recipe.name,
        "task": splits.task,
        "verdict": str(test),
        "unbeaten": test.unbeaten,
        "validation": [asdict(score) for score in training.validation.scores.scores],
        "test": [asdict(score) for score in test.scores],
        "earlier": [[asdict(score) for score in scores.scores] for scores in training.earlier],
        "inputs": training.recipe.inputs,
        "outputs": splits.outputs,
        "examples": {
            split: {"count": count, "first": first, "last": last} for split, count, first, last in training.extents
        },
        "missing": dict(splits.missing),
        "epochs": len(history.loss),
        "epoch_kept": history.kept,
        "seconds": round(history.seconds, 1),
        "loss": history.loss,
        "val_loss": history.val_loss,
        "layers": [
            {"name": name, "kind": kind, "output": output, "parameters": parameters}
            for name, kind, output, parameters in training.layers
        ],
        "parameters": sum(parameters for *_, parameters in training.layers),
        "versions": _versions(),
        "recipe": training.recipe.model_dump(mode="json", exclude_unset=True),
    }


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in MADE_WITH}}
