"""What a replaced version held is given back: memory after hundreds of swaps is what it was after a few."""

import gc
import os
import shutil
from pathlib import Path

import pytest

from carousel.serving import Catalog, Model, Policies, Rollout


class Admitting:
    """Counts backlogs and admits all."""

    def apart(self):
        """Admit all as well."""
        return self

    def count(self, backlog):
        """Take notice."""

    def discount(self, backlog):
        """Take notice."""


def resident():
    """Say what this process holds, in MB."""
    gc.collect()
    return round(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6)


@pytest.mark.soak
@pytest.mark.parametrize("engines", [("onnx",), ("onnx", "tensorflow")], ids=["onnx", "every other on TensorFlow"])
def test_memory_is_flat_over_500_swaps(engines, repository, tmp_path):
    """Also where every other version lost its cell graph and falls back to TensorFlow."""
    catalog, folder = Catalog(), tmp_path / "small"

    def add(version):
        catalog.add(Model(version, Admitting(), lambda function: function()))

    policies = Policies(1)
    rollout = Rollout(
        tmp_path, catalog, lambda f: f(), add, policies=policies, choice="auto", threads=1, allow_fallback=True
    )
    memory = []
    for number in range(1, 501):
        version = shutil.copytree(repository / "small" / "1", folder / str(number))
        engine = engines[number % len(engines)]
        if engine == "tensorflow":
            (version / "assets.extra" / "cell_graph.onnx").unlink()
        rollout.look()
        assert [(m.version.number, m.version.engine.name) for m in catalog] == [(number, engine)]
        catalog.sweep()
        if number > 1:
            shutil.rmtree(folder / str(number - 1))
        if number % 50 == 0:
            memory.append(resident())
    assert memory[-1] - memory[1] < 10, f"MB after each 50 swaps: {memory}"
