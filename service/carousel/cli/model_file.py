"""A Keras model's file, for the commands that read one."""

import argparse
from pathlib import Path
from typing import Any

from carousel.cli import training


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add MODEL and the flags that say what of its code may run."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a .keras or .h5 file, or a SavedModel's folder")
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


def custom_objects(given: argparse.Namespace) -> Any:
    """Import the modules that --import names, and give what they registered by name."""
    return training.module("export").import_custom_objects(given.modules)
