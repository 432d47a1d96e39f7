"""Files that Keras 2 saved answer as Keras 2 did. Those beside this test were written by tf_keras 2.21."""

import logging
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from carousel.artifact import disagreement, read_manifest, read_signature
from carousel.engines import load_engine
from carousel_models.export import export
from carousel_models.export.keras_2 import rebuild
from carousel_models.refusals import ExportRefused

FILES = Path(__file__).parent / "keras_2"


@pytest.mark.parametrize("kind", ["h5", "keras"])
@pytest.mark.parametrize(("name", "chunks"), [("stack", True), ("bidirectional", False)])
def test_hard_sigmoid_keeps_its_old_meaning(tmp_path, caplog, name, chunks, kind):
    """Both engines give what tf_keras gave, where Keras 3 has another hard_sigmoid; the log says so."""
    with caplog.at_level(logging.WARNING):
        version = export(FILES / f"{name}.{kind}", tmp_path, name)
    assert "saved by Keras 2.21.0: hard_sigmoid of lstm_cell, lstm_cell" in caplog.text
    signature, manifest = read_signature(version), read_manifest(version)
    assert manifest.cell_graph
    assert bool(manifest.states) == chunks
    answers = np.load(FILES / "answers.npz")
    inputs = np.ascontiguousarray(answers["inputs"].swapaxes(0, 1))
    for choice in ("onnx", "tensorflow"):
        engine, _ = load_engine(version, signature, manifest, choice)
        outputs, _ = engine.run(inputs, np.zeros((2, manifest.state_width), np.float32))
        assert disagreement(outputs[-1], answers[name]) == ""


def test_hard_sigmoid_of_keras_3_stays_its_own(tmp_path, caplog):
    """A file of this Keras is exported with x / 6 + 0.5."""
    model = keras.Sequential([layers.Input((3, 1)), layers.LSTM(2, recurrent_activation="hard_sigmoid")])
    model.save(tmp_path / "new.h5")
    version = export(tmp_path / "new.h5", tmp_path, "new")
    assert "keeps its meaning" not in caplog.text
    engine, because = load_engine(version, read_signature(version), read_manifest(version))
    assert because == ""
    inputs = np.ones((3, 1, 1), np.float32)
    outputs, _ = engine.run(inputs, np.zeros((1, 4), np.float32))
    assert disagreement(outputs[-1], np.asarray(model(inputs.swapaxes(0, 1)))) == ""


def test_time_major_layers_are_refused():
    """Keras 3 has none, so such a model would answer along the wrong axis."""
    first = {"name": "first", "units": 2, "time_major": True, "batch_input_shape": [None, 4, 2]}
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": [{"class_name": "LSTM", "config": first}]}}
    with pytest.raises(ExportRefused, match="layer 'first' has time_major=True"):
        rebuild(config, "2.21.0", {})
