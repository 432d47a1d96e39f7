"""`carousel explain`: what the gates of a model's LSTMs do over one sequence."""

import argparse
from pathlib import Path
from typing import Any

from carousel.cli import training
from carousel.cli.arrays import FileRefused, read_sequences
from carousel.cli.model_file import add_model, custom_objects
from carousel.cli.numbers import count
from carousel.cli.texts import read_texts


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "explain",
        help="draw the gates and states of each LSTM over one sequence",
        description="Run MODEL over one sequence of FILE and draw, for each of its LSTMs, the gates i, f and o, the "
        "candidate and the states c and h as heat maps, with the activation that made each of them.",
    )
    add_model(parser)
    parser.add_argument(
        "--input",
        type=Path,
        required=True,
        metavar="FILE",
        help=".csv (a line a timestep; - is stdin), .npy or .npz, as `carousel predict` takes them",
    )
    parser.add_argument("--sequence", type=count, default=1, metavar="N", help="which one of FILE, from 1 [1]")
    parser.add_argument(
        "--vocabulary", type=Path, metavar="PATH", help="for a model of texts, as `carousel predict` takes it"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to draw (default: build/explain/NAME)")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Explain."""
    sequences = read_texts(given.input, given.vocabulary) if given.vocabulary else read_sequences(given.input)
    if not 1 <= given.sequence <= len(sequences):
        raise FileRefused(f"{given.input}: holds {len(sequences)} sequences, and number {given.sequence} is asked for")
    with training.module("training.quiet").quietly():
        explaining = training.module("report.explaining")
        custom = custom_objects(given)
    folder = given.output or Path("build", "explain", given.model.stem)
    for path in explaining.explain(
        given.model,
        sequences[given.sequence - 1],
        folder,
        custom_objects=custom,
        unsafe_lambda=given.unsafe_lambda,
    ):
        print(path)  # noqa: T201 - a command's answer
    return 0
