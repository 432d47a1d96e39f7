"""`carousel check`: what a Keras model will be when it is served."""

import argparse
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from carousel.cli import training
from carousel.cli.description import describe
from carousel.cli.model_file import add_model, custom_objects
from carousel.cli.numbers import count

_TIMESTEPS = 5
"""That shapes are shown for, where the model takes any number and these are enough."""


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "check",
        help="show what a Keras model will be when it is served",
        description="Export MODEL to a place that is removed again, and show the way of a sequence's shape through its "
        "layers, its parameters, what a client sends and gets, whether it is stepwise or whole and why, live or not, "
        "which engine runs it and why, how far its answers are from Keras', and what a timestep costs here.",
    )
    add_model(parser)
    parser.add_argument(
        "--timesteps", type=count, metavar="N", help=f"show shapes of so many [the model's own, or {_TIMESTEPS}]"
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Check."""
    with training.module("training.quiet").quietly():
        exporter = training.module("export")
        custom = custom_objects(given)
    model = exporter.read(given.model, custom, unsafe_lambda=given.unsafe_lambda)
    print("\n".join(layers_in_words(model, given.timesteps)), flush=True)  # noqa: T201 - a command's answer
    with tempfile.TemporaryDirectory() as repository, _without_warnings():  # what it would warn of is said below
        folder = exporter.export(
            given.model, Path(repository), "model", custom_objects=custom, unsafe_lambda=given.unsafe_lambda
        )
        print("\n".join(describe(folder)[1:-1]))  # noqa: T201 - as above; number and fingerprint are not to last
    return 0


@contextmanager
def _without_warnings() -> Iterator[None]:
    logger = logging.getLogger("carousel_models")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def layers_in_words(model: Any, timesteps: int | None = None) -> list[str]:
    """Write the way of a sequence's shape through a Keras model, and its parameters, a line each."""
    shapes = training.module("report.shapes")
    way = shapes.way_in_words(model, timesteps or _TIMESTEPS)
    weights, trainable = shapes.parameters_of(model)
    rest = "" if weights == trainable else f", {weights - trainable:,} of them not trained"
    return [
        *(f"{'layers' if i == 0 else '':12} {line}" for i, line in enumerate(way)),
        f"parameters   {weights:,}{rest}",
    ]
