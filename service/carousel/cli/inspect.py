"""`carousel inspect`: what a model is, on disk or on a server."""

import argparse
from pathlib import Path
from typing import Any


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
    lines = _served(given.target) if given.target else _on_disk(given.version)
    print("\n".join(lines))  # noqa: T201 - a command's answer
    return 0


def _on_disk(folder: Path) -> list[str]:
    from carousel.serving import load_version  # noqa: PLC0415 - the engine takes a moment to import

    version = load_version(folder.resolve())
    signature = version.signature
    because = f" ({version.not_preferred_because})" if version.not_preferred_because else ""
    bits = {True: "yes", False: "NO", None: "not promised by this engine"}[version.batch_invariant]
    rows = version.costs.rows
    alone, together = version.costs.step_seconds(1), version.costs.step_seconds(rows) / rows
    return [
        f"{version.name} version {version.number}",
        f"takes        {signature.inputs}",
        *(f"gives        {spec}" for spec in signature.outputs),
        f"states       {', '.join(f'{s.name} [{s.units}]' for s in version.states) or 'none: it rides whole'}",
        f"engine       {version.engine.name}{because}",
        f"equal bits   {bits}",
        f"a timestep   {1e6 * alone:.0f} us alone, {1e6 * together:.1f} us a row with {rows} rows, on this machine",
        f"fingerprint  {version.fingerprint}",
    ]


def _served(target: str) -> list[str]:
    from carousel.client import Client  # noqa: PLC0415 - as above

    lines = []
    with Client(target) as client:
        for model in client.list_models(timeout=10):
            lines += [
                f"{model.name} version {model.version} on {model.engine}",
                *(f"  takes  {spec}" for spec in model.inputs),
                *(f"  gives  {spec}" for spec in model.outputs),
                f"  states {', '.join(f'{name} [{units}]' for name, units in model.states) or 'none: it rides whole'}",
            ]
    return lines or ["nothing is served there yet"]
