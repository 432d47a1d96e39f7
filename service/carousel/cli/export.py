"""`carousel export`: from a Keras model to a version that is served."""

import argparse
from pathlib import Path
from typing import Any

from carousel.cli import training
from carousel.cli.check import layers_in_words
from carousel.cli.description import describe
from carousel.cli.model_file import add_model, custom_objects
from carousel.cli.numbers import count


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "export",
        help="export a Keras model as a version in a repository",
        description="Write MODEL (.keras, .h5, or the folder of a SavedModel that was made elsewhere) as a SavedModel "
        "that Carousel and TensorFlow Serving serve, with its ONNX cell graph beside it, and check that both answer as "
        "MODEL does. The version appears whole or not at all, and is never overwritten.",
    )
    add_model(parser)
    parser.add_argument("--repository", type=Path, required=True, metavar="DIR", help="the folder of all models")
    parser.add_argument("--name", required=True, help="the name it is served by")
    parser.add_argument("--version", type=count, metavar="N", help="(default: one more than the highest there is)")
    parser.add_argument(
        "--any-length",
        action="store_true",
        help="let a model that is built for a fixed number of timesteps take any number, if it can be cut in time",
    )
    parser.add_argument("--vocabulary", type=Path, metavar="FILE", help="what each token stands for, a line each")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Export."""
    with training.module("training.quiet").quietly():
        exporter = training.module("export")
        custom = custom_objects(given)
    folder = exporter.export(
        given.model,
        given.repository,
        given.name,
        given.version,
        vocabulary=given.vocabulary,
        custom_objects=custom,
        unsafe_lambda=given.unsafe_lambda,
        any_length=given.any_length,
    )
    model = exporter.read(given.model, custom, unsafe_lambda=given.unsafe_lambda)
    print("\n".join([str(folder), *layers_in_words(model), *describe(folder)[1:]]))  # noqa: T201 - a command's answer
    return 0
