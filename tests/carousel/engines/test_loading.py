"""Law 7: the SavedModel is the truth. A cell graph serves only if it is this SavedModel's and answers as it must."""

import hashlib
import shutil
import subprocess
import sys
from typing import get_args

import keras
import numpy as np
import pytest
import tensorflow as tf

from carousel.artifact import (
    CELL_GRAPH,
    FOLDER,
    GOLDEN,
    MANIFEST,
    Golden,
    read_golden,
    read_manifest,
    read_signature,
    write_golden,
)
from carousel.engines import ENGINES, Choice, load_engine
from carousel.errors import ModelRejected
from carousel.settings import Settings


@pytest.fixture
def version(repository, tmp_path):
    """A version of one's own, to damage."""
    return shutil.copytree(repository / "relu50" / "1", tmp_path / "relu50" / "1")


def load(version, choice="auto"):
    """Load as the server does."""
    return load_engine(version, read_signature(version), read_manifest(version), choice)


def other_graph(version):
    """A cell graph of the right shape with other weights."""
    graph = (version / FOLDER / CELL_GRAPH).read_bytes()
    at = graph.index(b"weight_", len(graph) // 2) - 4000
    return graph[:at] + np.float32(0.5).tobytes() * 100 + graph[at + 400 :]


def replace(version, graph):
    """Put another cell graph in the place of this one, and let the manifest name it."""
    (version / FOLDER / CELL_GRAPH).write_bytes(graph)
    manifest = read_manifest(version).model_copy(update={"cell_graph_sha256": hashlib.sha256(graph).hexdigest()})
    (version / FOLDER / MANIFEST).write_text(manifest.model_dump_json())


DAMAGES = {
    "one bit of a weight": (
        lambda version, _: (version / FOLDER / CELL_GRAPH).write_bytes(
            (graph := (version / FOLDER / CELL_GRAPH).read_bytes())[:-500] + bytes([graph[-500] ^ 1]) + graph[-499:]
        ),
        "is not the cell graph that the manifest names: its SHA-256 is",
    ),
    "other weights": (
        lambda version, _: replace(version, other_graph(version)),
        "does not give the golden answers",
    ),
    "another model's cell graph": (
        lambda version, repository: replace(version, (repository / "stack" / "1" / FOLDER / CELL_GRAPH).read_bytes()),
        "the cell graph cannot be run",
    ),
    "a cell graph cut short": (
        lambda version, _: replace(version, (version / FOLDER / CELL_GRAPH).read_bytes()[:1000]),
        "the cell graph cannot be run",
    ),
    "no cell graph": (lambda version, _: (version / FOLDER / CELL_GRAPH).unlink(), "the cell graph cannot be read"),
    "no golden answers": (lambda version, _: (version / FOLDER / GOLDEN).unlink(), "golden answers cannot be read"),
    "golden answers cut short": (
        lambda version, _: (version / FOLDER / GOLDEN).write_bytes((version / FOLDER / GOLDEN).read_bytes()[:500]),
        "golden answers cannot be read",
    ),
    "other golden answers": (
        lambda version, _: write_golden(
            version / FOLDER / GOLDEN,
            [
                Golden(golden.inputs, golden.sequence, golden.last_step + np.float32(0.01))
                for golden in read_golden(version / FOLDER / GOLDEN)
            ],
        ),
        "does not give the golden answers: of 10 timesteps, element [0]",
    ),
    "no golden sequences": (lambda version, _: write_golden(version / FOLDER / GOLDEN, []), "holds no golden answers"),
    "another SavedModel": (
        lambda version, _: (version / "variables" / "variables.index").write_bytes(
            (version / "variables" / "variables.index").read_bytes() + b"\0"
        ),
        "derived from another SavedModel",
    ),
}


def test_every_engine_can_be_asked_for_by_the_setting():
    assert get_args(Settings.model_fields["engine"].annotation) == ("auto", *ENGINES)
    assert get_args(Choice) == ("auto", *ENGINES)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_cell_graph_in_doubt_is_not_used(version, repository, damage):
    """With "onnx" the version is rejected and the reason named; nothing else is asked of a damaged cell graph."""
    damaging, reason = DAMAGES[damage]
    damaging(version, repository)
    with pytest.raises(ModelRejected) as error:
        load(version, "onnx")
    assert reason in error.value.message


def test_tensorflow_serves_where_the_cell_graph_is_in_doubt(version):
    """With "auto" the SavedModel itself serves, and the reason is told."""
    replace(version, b"")
    engine, because = load(version)
    assert engine.name == "tensorflow"
    assert "the cell graph cannot be run" in because


def test_a_foreign_savedmodel_is_served_whole(tmp_path):
    """Without a manifest, `serving_default` from `inputs` to `last_step` is all that is needed."""
    spec = tf.TensorSpec((None, None, 2), tf.float32, "inputs")
    total = tf.function(lambda inputs: {"last_step": tf.reduce_sum(inputs, axis=1)}, input_signature=[spec])
    tf.saved_model.save(tf.Module(), str(tmp_path), signatures={"serving_default": total})
    engine, because = load(tmp_path)
    assert "has no manifest" in because
    outputs, _ = engine.run(np.ones((4, 3, 2), np.float32), np.zeros((3, 0), np.float32))
    assert outputs.tolist() == [[[4.0, 4.0]] * 3]


def test_a_manifest_of_another_savedmodel_is_refused(version, repository):
    """States that the signature `advance` does not take are named, with what it takes."""
    shutil.copy(repository / "stack" / "1" / FOLDER / MANIFEST, version / FOLDER / MANIFEST)
    with pytest.raises(ModelRejected, match="the manifest is not of this SavedModel"):
        load(version)


def test_states_need_the_signature_that_advances_them(version, repository):
    """A manifest with states beside a SavedModel without `advance` is refused."""
    shutil.copy(version / FOLDER / MANIFEST, tmp := version.parent / "kept")
    shutil.copytree(repository / "flat" / "1", version, dirs_exist_ok=True)
    shutil.copy(tmp, version / FOLDER / MANIFEST)
    with pytest.raises(ModelRejected, match="has no signature 'advance'"):
        load(version)


def test_a_savedmodel_that_does_not_load_is_rejected(version):
    """What TensorFlow says stands in the error."""
    shutil.rmtree(version / "variables")
    with pytest.raises(ModelRejected, match="TensorFlow cannot load the SavedModel"):
        load(version, "tensorflow")


WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = None
from pathlib import Path
from carousel.engines import load_engine
from carousel.errors import ModelRejected
from carousel.artifact import read_manifest
from carousel.artifact import read_signature
plain, whole, foreign = map(Path, sys.argv[1:])
engine, because = load_engine(plain, read_signature(plain), read_manifest(plain))
print(engine.name)
for version in (whole, foreign):
    try:
        load_engine(version, read_signature(version), read_manifest(version))
    except ModelRejected as error:
        print(error)
print(sorted({"tensorflow", "keras", "onnx"} & {name for name, module in sys.modules.items() if module}))
"""


def test_cell_graphs_are_served_without_tensorflow(repository, tmp_path):
    """The base install serves cell graphs; what needs TensorFlow says what to install, and why it is needed."""
    foreign = tmp_path / "foreign"
    keras.Sequential([keras.Input((None, 3)), keras.layers.LSTM(2)]).export(str(foreign), verbose=False)
    versions = [*(str(repository / name / "1") for name in ("stack", "own-whole")), str(foreign)]
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, *versions]
    name, rejected, theirs, imported = subprocess.run(
        command, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert name == "onnx"
    assert "pip install 'lstm-carousel[tensorflow]'" in rejected
    assert "the activation 'cubed' has no ONNX form here" in rejected
    assert f"{foreign}: has no manifest, so no cell graph; `carousel export` writes both" in theirs
    assert "pip install 'lstm-carousel[tensorflow]'" in theirs
    assert imported == "[]"


def test_serving_reports_to_nobody(tmp_path):
    """ONNX Runtime, imported by us, leaves nothing at home: no identifier, no store of what it would report."""
    subprocess.run([sys.executable, "-c", "import carousel.engines"], env={"HOME": str(tmp_path)}, check=True)
    assert list(tmp_path.rglob("*")) == []
