"""`carousel train`: from a recipe to a trained model and its report."""

import argparse
from pathlib import Path
from typing import Any

from carousel.cli import training

INTERRUPTED = 130
"""The exit status of a command that was ended from the keyboard, as shells have it."""


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "train",
        help="train a stacked LSTM from a recipe",
        description="Train what RECIPE.toml says: read its data, fit the stack, judge it on the test split beside an "
        "honest baseline, and write model.keras, held_out.npz and a report.",
    )
    parser.add_argument("recipe", type=Path, metavar="RECIPE.toml", help="what to build, from which data")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to write (default: build/train/NAME)")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint of an interrupted training")
    parser.add_argument("--deterministic", action="store_true", help="the same bits at every run, on a GPU too; slower")
    parser.add_argument("--tensorboard", action="store_true", help="write TensorBoard's logs as well")
    parser.add_argument("--json", action="store_true", help="print the report as JSON, for machines, and no bar")
    parser.add_argument("--quiet", action="store_true", help="show no progress bar")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Train."""
    result = training.module("training").train(
        given.recipe,
        given.output,
        resume=given.resume,
        deterministic=given.deterministic,
        tensorboard=given.tensorboard,
        quiet=given.quiet or given.json,
    )
    print(result.report[0].read_text("utf-8").rstrip() if given.json else result)  # noqa: T201 - a command's answer
    return INTERRUPTED if result.training.history.interrupted else 0
