"""`carousel score`: run a model over files, without a server."""

import argparse
import os
from pathlib import Path
from typing import Any

from carousel.cli.numbers import count


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "score",
        help="run a model over files larger than memory, without a server",
        description="Run the model in the folder MODEL over every sequence of each FILE, on every core, and write the "
        "answers part by part into a folder. The same command goes on after an interruption.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="REPOSITORY/NAME, or REPOSITORY/NAME/VERSION")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=".csv, .parquet, .npy or .npz")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="where the answers go")
    parser.add_argument("--by", metavar="COLUMN", help="whose a line is (default: the whole file is one sequence)")
    parser.add_argument("--columns", metavar="A,B", help="the inputs, in order (default: all columns but --by)")
    parser.add_argument("--return-sequences", action="store_true", help="every timestep's output")
    parser.add_argument("--format", choices=("parquet", "csv", "npz"), default="parquet", help="[parquet]")
    parser.add_argument("--part", type=count, default=500_000, metavar="N", help="timesteps of a part [500000]")
    parser.add_argument("--threads", type=count, metavar="N", help="(default: the cores of this process)")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Score."""
    from rich.console import Console  # noqa: PLC0415 - seconds to import, and no other command should wait
    from rich.progress import Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - what runs a model takes

    from carousel.offline import Scoring, load  # noqa: PLC0415 - as above

    columns = None if given.columns is None else tuple(name.strip() for name in given.columns.split(","))
    scoring = Scoring(
        load(given.model),
        given.output,
        form=given.format,
        by=given.by,
        columns=columns,
        return_sequences=given.return_sequences,
        part_steps=given.part,
        threads=given.threads or len(os.sched_getaffinity(0)),
    )
    shown = (
        TextColumn("{task.completed:,} timesteps, {task.fields[found]:,} of them there before"),
        TimeElapsedColumn(),
    )
    with Progress(*shown, console=Console(stderr=True)) as progress:
        task, found = progress.add_task("", total=None, found=0), 0

        def on_part(steps: int, done: bool) -> None:
            nonlocal found
            found += steps if done else 0
            progress.update(task, advance=steps, found=found)

        total = scoring.run(given.files, on_part)
    print(f"{total} timesteps scored, {found} of them in a run before: {given.output}")  # noqa: T201 - its answer
    return 0
