"""Run some benchmarks, or all: each in a process of its own, so that none inherits another's memory and threads."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.report import say, table

NAMES = (
    "start",
    "calls",
    "engine",
    "kinds",
    "cores",
    "lanes",
    "capacity",
    "mixed",
    "equal",
    "short",
    "overload",
    "python",
    "memory",
    "live",
    "swaps",
    "scrape",
    "rows",
    "rest",
    "score",
    "hostile",
)

ROOT = Path(__file__).parents[2]

# One core is compared with one core; whatever brings a thread pool is told before it is imported.
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "KERAS_BACKEND": "tensorflow",
}


def main(names: list[str]) -> int:
    """Run the benchmarks of these names, and print the table of all there are figures of."""
    if unknown := set(names) - set(NAMES):
        say("bench", f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
        return 2
    failed = []
    for name in names or NAMES:
        say(name, "begins")
        child = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks", "--here", name],
            cwd=ROOT,
            env=os.environ | _ENVIRONMENT,
            check=False,
        )
        if child.returncode:
            failed.append(name)
    sys.stdout.write(table(NAMES))
    if failed:
        say("bench", f"failed: {', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        importlib.import_module(f"tests.benchmarks.{sys.argv[2]}").main()
    else:
        sys.exit(main(sys.argv[1:]))
