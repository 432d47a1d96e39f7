"""What docs/on-many-machines.md shows is run, with Beam in an environment of its own."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import carousel

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "on-many-machines.md").read_text()
UV = Path(sys.executable).with_name("uv")


@pytest.fixture(scope="module")
def python():
    """The interpreter of an environment with what the page installs, and this source tree in place of the package."""
    install, _ = re.findall(r"```sh\n(.*?)\n```", PAGE)
    packages = install.removeprefix("pip install lstm-carousel ").split()
    folder = ROOT / "build" / "beam"
    subprocess.run([UV, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([UV, "pip", "install", "--quiet", "--python", python, "-e", ROOT, *packages], check=True)
    return python


@pytest.mark.soak
def test_every_sequence_of_a_shuffled_table_is_answered_once_with_its_own_bits(python, repository, tmp_path):
    chance = np.random.default_rng(0)
    lengths = chance.integers(1, 60, 300)
    steps = chance.standard_normal((lengths.sum(), 3)).astype(np.float32)
    order = chance.permutation(len(steps))
    days, times = np.repeat(np.arange(300), lengths), np.concatenate([np.arange(length) for length in lengths])
    columns = {"day": days, "time": times} | {f"x{i}": steps[:, i] for i in range(3)}
    table = pa.table({name: values[order] for name, values in columns.items()})
    pa.parquet.write_table(table, tmp_path / "days.parquet")
    (tmp_path / "models/repository").mkdir(parents=True)
    shutil.copytree(repository / "small", tmp_path / "models/repository/weather")
    [program] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "score_on_beam.py").write_text(program)
    _, command = re.findall(r"```sh\n(.*?)\n```", PAGE)
    subprocess.run([python, *command.split()[1:]], cwd=tmp_path, check=True, capture_output=True, timeout=500)
    scored = pa.concat_tables([pa.parquet.read_table(part) for part in tmp_path.glob("scored-*")])
    assert sorted(scored["day"].to_pylist()) == list(range(300))
    expected = carousel.load(repository / "small").predict(np.split(steps, np.cumsum(lengths)[:-1]))
    for day, output in zip(scored["day"].to_pylist(), scored["output"].to_pylist(), strict=True):
        assert np.array(output, np.float32).tobytes() == expected[day].tobytes()
