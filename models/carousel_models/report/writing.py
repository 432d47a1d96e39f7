"""The report of a training: figures as JSON, pictures, and the held-out sequences to try the served model on."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from carousel_models.data.cells import written
from carousel_models.data.examples import Examples
from carousel_models.report.plots import draw_confusion, draw_forecast, draw_loss
from carousel_models.training.result import Training

MAX_HELD_OUT = 5_000
"""Sequences that held_out.npz holds at most."""


def write_report(folder: Path, training: Training) -> tuple[Path, ...]:
    """Write report.json, loss.png and forecast.png or confusion.png into `folder`, and give their paths.

    The folder is made if it is not there; files of an earlier report are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    forecasts = training.splits.task == "forecast"
    figures, loss = folder / "report.json", folder / "loss.png"
    picture = folder / ("forecast.png" if forecasts else "confusion.png")
    figures.write_text(json.dumps(_figures(training), indent=2, ensure_ascii=False) + "\n", "utf-8")
    draw_loss(loss, training)
    (draw_forecast if forecasts else draw_confusion)(picture, training)
    return figures, loss, picture


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
            "train": _extent(splits.train),
            "validation": _extent(splits.validation),
            "test": _extent(splits.test),
        },
        "epochs": len(history.loss),
        "epoch_kept": history.kept,
        "seconds": round(history.seconds, 1),
        "loss": history.loss,
        "val_loss": history.val_loss,
        "parameters": training.parameters,
        "keras_version": keras.__version__,
        "recipe": training.recipe.model_dump(mode="json", exclude_unset=True),
    }


def _extent(examples: Examples) -> dict[str, int | str]:
    return {"count": len(examples), "first": written(examples.at[0]), "last": written(examples.at[-1])}
