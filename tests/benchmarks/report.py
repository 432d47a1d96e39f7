"""What a benchmark leaves behind: figures as JSON, a picture, and rows of the table."""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from tests.benchmarks.machine import machine

FOLDER = Path(__file__).parents[2] / "build" / "bench"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was measured, what came, what was hoped for, and whether it came."""

    what: str
    came: str
    target: str = ""
    met: bool | None = None


def say(name: str, line: str) -> None:
    """Tell whoever watches how far a benchmark is."""
    sys.stderr.write(f"{name}: {line}\n")
    sys.stderr.flush()


def write(name: str, rows: list[Row], figures: dict[str, Any], draw: Callable[[Figure], None]) -> None:
    """Keep what benchmark `name` found."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine(), "rows": [asdict(row) for row in rows], "figures": figures}
    (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
    figure = Figure(figsize=(9, 5), layout="constrained", dpi=110)
    draw(figure)
    figure.text(0.995, 0.005, machine(), ha="right", va="bottom", fontsize=6, color="#667")
    figure.savefig(FOLDER / f"{name}.png")
    for row in rows:
        say(name, f"{row.what}: {row.came}{f'; target {row.target}' if row.target else ''}")


def table(names: Iterable[str]) -> str:
    """Write table.md of all that was ever measured here, and return it."""
    lines = ["| | measured: median (quartiles) | target | met |", "|---|---|---|---|"]
    machines = set()
    for name in names:
        path = FOLDER / f"{name}.json"
        if not path.exists():
            continue
        content = json.loads(path.read_text())
        machines.add(content["machine"])
        for row in content["rows"]:
            met = "" if row["met"] is None else "yes" if row["met"] else "**no**"
            lines.append(f"| {name}: {row['what']} | {row['came']} | {row['target']} | {met} |")
    text = "\n".join([*lines, "", *sorted(machines), ""])
    (FOLDER / "table.md").write_text(text)
    return text
