"""`carousel inspect`: what a model is, on disk or on a server."""

import argparse
from pathlib import Path
from typing import Any

from carousel.cli.description import EQUAL_BITS, describe


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "inspect",
        help="show what a model takes and gives",
        description="Show a version on disk (its signature, states and cell graph, and which engine would serve it), "
        "or what a running server serves.",
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("version", type=Path, nargs="?", metavar="DIR", help="a version: REPOSITORY/NAME/N")
    where.add_argument("--target", help="a server's host:port instead")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Inspect."""
    lines = _served(given.target) if given.target else describe(given.version)
    print("\n".join(lines))  # noqa: T201 - a command's answer
    return 0


def _served(target: str) -> list[str]:
    from carousel.client import Client  # noqa: PLC0415 - gRPC takes a moment to import

    lines = []
    with Client(target) as client:
        for model in client.list_models(timeout=10):
            lines += [
                f"{model.name} version {model.version} on {model.engine}",
                *(f"  takes  {spec}" for spec in model.inputs),
                *(f"  gives  {spec}" for spec in model.outputs),
                f"  states {', '.join(f'{name} [{units}]' for name, units in model.states) or 'none: it rides whole'}",
                f"  equal bits {EQUAL_BITS[model.batch_invariant]}",
            ]
    return lines or ["nothing is served there yet"]
