"""What docs/without-a-server.md shows is run, on a model under the name that it has there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

PAGE = Path(__file__).parents[3] / "docs" / "without-a-server.md"


@pytest.fixture
def here(repository, tmp_path):
    """A folder as the page has it."""
    (tmp_path / "models/repository").mkdir(parents=True)
    (tmp_path / "models/repository/weather").symlink_to(repository / "small")
    steps = np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32)
    days = {"day": np.repeat(["mon", "tue"], 30)} | {f"x{i}": steps[:, i] for i in range(3)}
    pa.parquet.write_table(pa.table(days), tmp_path / "days.parquet")
    return tmp_path


def run(here, *command):
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=here, env=os.environ | {"PATH": programs}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_program_runs(here):
    [program] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    said = run(here, sys.executable, "-c", program)
    assert said.startswith("(2,) (30, 2)\n")
    assert len(said.splitlines()) == 31


def test_the_command_runs(here):
    [command] = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert "60 timesteps scored, 0 of them in a run before" in run(here, "bash", "-euc", command)
    assert "60 timesteps scored, 60 of them in a run before" in run(here, "bash", "-euc", command)
