"""`carousel tune`: look for a better recipe."""

import argparse
from pathlib import Path
from typing import Any

from carousel.cli import training
from carousel.cli.numbers import count, duration


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "tune",
        help="look for better settings of a recipe",
        description="Try settings of what RECIPE.toml leaves open in its table [tune.open], judge them on the "
        "validation split, and write the best recipe beside its figures. Interrupted, the same command goes on from "
        "there and ends the same.",
    )
    parser.add_argument("recipe", type=Path, metavar="RECIPE.toml", help="a recipe with a table [tune.open]")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to write (default: build/tune/NAME)")
    parser.add_argument("--trials", type=count, metavar="N", help="how many in all (default: the recipe's own)")
    parser.add_argument("--minutes", type=duration, metavar="M", help="start no trials after so long")
    parser.add_argument("--jobs", type=count, metavar="N", help="processes beside each other (default: one a core)")
    parser.add_argument("--quiet", action="store_true", help="show no progress bar")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Tune."""
    result = training.module("training").tune(
        given.recipe, given.output, trials=given.trials, minutes=given.minutes, jobs=given.jobs, quiet=given.quiet
    )
    print(result)  # noqa: T201 - a command's answer
    return 0
