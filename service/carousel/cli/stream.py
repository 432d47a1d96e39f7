"""`carousel stream`: feed timesteps to a live sequence as they come."""

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np

from carousel.cli.arrays import FileRefused, read_timesteps
from carousel.cli.numbers import count, duration, version_number
from carousel.tensors import Floats


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "stream",
        help="feed timesteps to a live sequence as they come",
        description="Feed each line of FILE or standard input, the features of one timestep separated by commas, to "
        "one live sequence as soon as it is there, and print one JSON array a line: the output after that timestep. "
        "If the server goes away, the sequence goes on at another one of the same name.",
    )
    parser.add_argument("model", help="the model's name")
    parser.add_argument("file", nargs="?", default="-", metavar="FILE", help="a line a timestep; - is stdin [-]")
    parser.add_argument("--target", default="localhost:8500", help="the servers' host:port [localhost:8500]")
    parser.add_argument("--version", type=version_number, default=0, metavar="N", help="(default: the newest served)")
    parser.add_argument(
        "--snapshot-every", type=count, default=64, metavar="N", help="take a snapshot every N timesteps [64]"
    )
    parser.add_argument("--timeout", type=duration, default=60.0, metavar="SECONDS", help="to seek a server for [60]")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Feed until the lines end."""
    from carousel.client import Client  # noqa: PLC0415 - gRPC takes a moment to import

    with (
        Client(given.target) as client,
        client.live(
            given.model, version=given.version, snapshot_every=given.snapshot_every, timeout=given.timeout
        ) as sequence,
    ):
        for step in _steps(given.file):
            print(json.dumps(sequence.feed(step).output.tolist()), flush=True)  # noqa: T201 - a command's answer
    return 0


def _steps(name: str) -> Iterator[Floats]:
    """Read timesteps, each float32 [1, input_dim], as their lines come."""
    with nullcontext(sys.stdin) if name == "-" else open(name, encoding="utf-8-sig", errors="replace") as lines:  # noqa: PTH123
        try:
            for timestep in read_timesteps(lines):
                yield np.array([timestep], np.float32)
        except (ValueError, csv.Error) as error:
            raise FileRefused(f"{name}: {error}") from error
