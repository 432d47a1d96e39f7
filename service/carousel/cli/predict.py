"""`carousel predict`: send sequences from files to a server."""

import argparse
import json
from pathlib import Path
from typing import Any

from carousel.cli.arrays import read_sample, read_sequences
from carousel.cli.numbers import count, duration, version_number
from carousel.cli.texts import read_texts


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "predict",
        help="send sequences from files to a server",
        description="Send every sequence of each FILE in one request and print one JSON array a sequence: the output "
        "of its last timestep, or with --return-sequences of every timestep. With --named the files together hold one "
        "sample by the names of the model's own inputs, and the answer is a JSON object by the names of its outputs.",
    )
    parser.add_argument("model", help="the model's name")
    parser.add_argument("files", nargs="+", metavar="FILE", help=".csv (a line a timestep; - is stdin), .npy or .npz")
    parser.add_argument(
        "--named",
        action="store_true",
        help="each FILE is NAME=FILE, an input of that name, or a .csv whose first line names each column's input",
    )
    parser.add_argument(
        "--output",
        dest="outputs",
        action="append",
        default=[],
        metavar="NAME",
        help="an output that is wanted, by name",
    )
    parser.add_argument(
        "--vocabulary",
        type=Path,
        metavar="PATH",
        help="for a model of texts: its version's folder, or a vocabulary.txt; each line of FILE is then a text",
    )
    parser.add_argument("--target", default="localhost:8500", help="the server's host:port [localhost:8500]")
    parser.add_argument("--version", type=version_number, default=0, metavar="N", help="(default: the newest served)")
    parser.add_argument("--return-sequences", action="store_true", help="every timestep's output")
    parser.add_argument("--first", type=count, metavar="N", help="send the first N sequences only")
    parser.add_argument("--timeout", type=duration, default=60.0, metavar="SECONDS", help="[60]")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Predict."""
    from carousel.client import Client  # noqa: PLC0415 - gRPC takes a moment to import

    with Client(given.target) as client:
        sequences: list[Any]
        if given.named:
            model = client.get_model(given.model, given.version, timeout=given.timeout)
            sequences = [read_sample(given.files, model.own_inputs)]
        elif given.vocabulary:
            sequences = [text for file in given.files for text in read_texts(Path(file), given.vocabulary)]
        else:
            sequences = [sequence for file in given.files for sequence in read_sequences(Path(file))]
        for answer in client.predict(
            given.model,
            sequences[: given.first],
            version=given.version,
            return_sequences=given.return_sequences,
            timeout=given.timeout,
            outputs=given.outputs,
        ):
            named = {name: array.tolist() for name, array in answer.outputs.items()}
            print(json.dumps(named or answer.output.tolist()))  # noqa: T201 - a command's answer
    return 0
