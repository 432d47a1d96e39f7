"""The notebook of docs/ does not rot: its cells are run, one after the other, as a kernel would."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_notebook_runs_from_fit_to_a_served_answer(tmp_path):
    """In a process of its own; the cells themselves hold the answers to Keras'."""
    notebook = json.loads((ROOT / "docs/export.ipynb").read_text("utf-8"))
    assert (notebook["nbformat"], notebook["metadata"]["kernelspec"]["language"]) == (4, "python")
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    script = tmp_path / "cells.py"
    script.write_text("\n\n".join(cells), "utf-8")
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    *_, first, second, third, last = done.stdout.splitlines()
    assert [line.split()[0] for line in (first, second, third)] == ["30", "7", "1"]
    assert last == "exit status 0"
