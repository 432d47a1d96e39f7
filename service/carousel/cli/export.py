"""`carousel export`: from a Keras model to a version that is served."""

import argparse
from pathlib import Path
from typing import Any

from carousel.cli import training


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "export",
        help="export a Keras model as a version in a repository",
        description="Write MODEL (.keras, .h5, or the folder of a SavedModel that was made elsewhere) as a SavedModel "
        "that Carousel and TensorFlow Serving serve, with its ONNX cell graph beside it, and check that both answer as "
        "MODEL does. The version appears whole or not at all, and is never overwritten.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="a .keras or .h5 file, or a SavedModel's folder")
    parser.add_argument("--repository", type=Path, required=True, metavar="DIR", help="the folder of all models")
    parser.add_argument("--name", required=True, help="the name it is served by")
    parser.add_argument("--version", type=int, metavar="N", help="(default: one more than the highest there is)")
    parser.add_argument(
        "--import",
        dest="modules",
        action="append",
        default=[],
        metavar="MODULE",
        help="a Python module that defines the model's own layers and functions; may be given several times",
    )
    parser.add_argument(
        "--unsafe-lambda",
        action="store_true",
        help="run the code that Lambda layers keep in the file, on this machine; only for files you trust",
    )
    parser.add_argument("--vocabulary", type=Path, metavar="FILE", help="what each token stands for, a line each")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Export."""
    with training.module("training.quiet").quietly():
        exporter = training.module("export")
        custom = exporter.import_custom_objects(given.modules)
    folder = exporter.export(
        given.model,
        given.repository,
        given.name,
        given.version,
        vocabulary=given.vocabulary,
        custom_objects=custom,
        unsafe_lambda=given.unsafe_lambda,
    )
    print(folder)  # noqa: T201 - a command's answer
    return 0
