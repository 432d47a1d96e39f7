"""SavedModels that others made, by `foreign/make.py` and by Keras 3 here, are lowered, and answer as they did."""

import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from carousel.artifact import disagreement, read_signature
from carousel.serving.version import load_version
from carousel_models.export import export
from carousel_models.refusals import ExportRefused
from tests.carousel.serving.test_foreign import ARCHIVES, unpacked

LOWERED = [archive for archive in ARCHIVES if archive.stem != "not_the_last"]
EVERY = {"return_sequences": True}


@pytest.mark.parametrize("archive", LOWERED, ids=lambda path: path.stem)
def test_a_savedmodel_that_others_made_is_lowered_and_answers_as_its_maker(tmp_path, archive):
    """On ONNX Runtime, by the names, shapes and dtypes of its own signature."""
    folder, inputs, outputs = unpacked(archive, tmp_path / "theirs")
    version = load_version(export(folder, tmp_path / "ours", archive.stem))
    assert (version.engine.name, version.batch_invariant) == ("onnx", True)
    signature, theirs = version.signature, read_signature(folder)
    assert signature.takes.specs == theirs.takes.specs
    assert sorted(map(str, signature.gives.specs)) == sorted(map(str, theirs.gives.specs))
    samples = signature.takes.pack_batch(inputs, [])
    assert len(samples) == len(next(iter(inputs.values())))
    state = np.zeros((1, version.state_width), np.float32)
    answers = [version.engine.run(sample[:, np.newaxis], state)[0][:, 0] for sample in samples]
    for name, given in signature.gives.split_batch(answers).items():
        assert disagreement(given, outputs[name]) == "", name


STACKS = {
    "hard_sigmoid, go_backwards": layers.LSTM(3, recurrent_activation="hard_sigmoid", go_backwards=True),
    "no activation, no bias": layers.LSTM(3, activation=None, use_bias=False),
    "one function for all": layers.LSTM(3, activation="sigmoid"),
    "gru of before": layers.GRU(3, reset_after=False, **EVERY),
    "simple": lambda x: layers.Dense(2, activation="relu")(layers.SimpleRNN(3, activation="relu", **EVERY)(x)),
    "both ways": layers.Bidirectional(layers.GRU(3, **EVERY), merge_mode="sum"),
    "branches": lambda x: layers.Multiply()([layers.LSTM(4, **EVERY)(x), layers.Dense(4, activation="sigmoid")(x)]),
    "convolutions": lambda x: layers.LSTM(2)(
        layers.Conv1D(4, 3, strides=2)(
            layers.Conv1D(5, 2, padding="same", dilation_rate=2, use_bias=False)(
                layers.Conv1D(4, 3, padding="causal", activation="relu")(x)
            )
        )
    ),
    "causal dilation": lambda x: layers.LSTM(2)(layers.Conv1D(4, 3, padding="causal", dilation_rate=2)(x)),
    "pooling": lambda x: layers.GlobalMaxPooling1D()(
        layers.LSTM(3, **EVERY)(layers.AveragePooling1D(3, strides=1, padding="same")(layers.MaxPooling1D(2)(x)))
    ),
    "average of all": lambda x: layers.GlobalAveragePooling1D()(layers.LSTM(3, **EVERY)(x)),
    "normalisations": lambda x: layers.LSTM(3, **EVERY)(layers.LayerNormalization()(layers.BatchNormalization()(x))),
    "masked": lambda x: layers.LSTM(2)(layers.GRU(3, **EVERY)(layers.Dense(4)(layers.Masking(0.5)(x)))),
    "masked both ways": lambda x: layers.Bidirectional(layers.GRU(2), merge_mode="mul")(
        layers.Bidirectional(layers.LSTM(3, **EVERY))(layers.Masking(0.5)(x))
    ),
    "dropout": lambda x: layers.LSTM(2)(layers.Dropout(0.5)(layers.LSTM(4, dropout=0.5, **EVERY)(x))),
}


@pytest.mark.parametrize("stack", STACKS)
def test_layers_are_found_by_what_their_operations_compute(tmp_path, stack):
    """`model.export` keeps no layers; what is matched answers as the model did, at a length that was not tried."""
    keras.utils.set_random_seed(11)
    taken = keras.Input((None, 3), name="signal")
    model = keras.Model(taken, STACKS[stack](taken))
    for i, weight in enumerate(model.weights):
        if "seed" not in weight.path:
            weight.assign(weight + 0.1 * i)  # biases and variances too
    model.export(str(tmp_path / "saved"), verbose=False)
    version = load_version(export(tmp_path / "saved", tmp_path / "repository", "matched"))
    assert version.engine.name == "onnx"
    signal = np.random.default_rng(1).standard_normal((1, 17, 3), np.float32)
    signal[:, 3:6] = signal[:, -1] = 0.5  # what is masked, where anything is
    given, _ = version.engine.run(signal.swapaxes(0, 1), np.zeros((1, version.state_width), np.float32))
    answer = version.signature.gives.split(given[:, 0])["output_0"]
    assert disagreement(answer, np.asarray(model(signal))[0]) == ""


def test_masked_tokens_are_found_too(tmp_path):
    """Embedding with mask_zero before a recurrent layer."""
    keras.utils.set_random_seed(12)
    stack = [layers.Input((None,), dtype="int32"), layers.Embedding(9, 4, mask_zero=True), layers.LSTM(3)]
    model = keras.Sequential(stack)
    model.export(str(tmp_path / "saved"), verbose=False)
    version = load_version(export(tmp_path / "saved", tmp_path / "repository", "masked"))
    tokens = np.int32([[0, 3, 0, 5, 8, 0]])
    given, _ = version.engine.run(tokens.T, np.zeros((1, version.state_width), np.float32))
    assert disagreement(given[-1], np.asarray(model(tokens))) == ""


def test_what_is_of_no_layer_is_refused_by_name_with_what_to_do(tmp_path):
    """No layers, and a layer that is not matched; nothing is left behind."""
    (archive,) = set(ARCHIVES) - set(LOWERED)
    folder, *_ = unpacked(archive, tmp_path)
    words = "is of no layer that is known by its operations; serve the folder as it is, on TensorFlow: copy it to"
    with pytest.raises(ExportRefused, match=f"operation Cumsum 'Cumsum' {re.escape(words)}"):
        export(folder, tmp_path / "repository", "refused")
    stack = [layers.Input((None, 3)), layers.LSTM(3, **EVERY), layers.UnitNormalization()]
    keras.Sequential(stack).export(str(tmp_path / "saved"), verbose=False)
    with pytest.raises(ExportRefused, match=re.escape(words)):
        export(tmp_path / "saved", tmp_path / "repository", "refused")
    assert not (tmp_path / "repository").exists()


def test_a_version_of_carousels_own_needs_no_export(tmp_path, repository):
    """It is copied."""
    with pytest.raises(ExportRefused, match="is a version that Carousel exported: copy the folder"):
        export(repository / "small" / "1", tmp_path, "again")


def test_layers_that_do_not_answer_as_the_savedmodel_are_refused(tmp_path, monkeypatch):
    """Whatever was matched is a guess until it is proven."""
    keras.Sequential([layers.Input((None, 3)), layers.LSTM(3)]).export(str(tmp_path / "saved"), verbose=False)
    matching = "carousel_models.export.saved_model.matching"
    monkeypatch.setattr(f"{matching}._functions", lambda *_: {"activation": "relu"})
    with pytest.raises(
        ExportRefused, match="the layers that were found do not answer as the SavedModel does: output_0"
    ):
        export(tmp_path / "saved", tmp_path / "repository", "wrong")


@pytest.mark.slow
def test_the_page_of_savedmodels_does_what_it_says(tmp_path):
    """docs/saved-models.md, command by command: served by TensorFlow as it is, by ONNX Runtime once it is lowered."""
    page = (Path(__file__).parents[3] / "docs" / "saved-models.md").read_text()
    (archive,) = (each for each in ARCHIVES if each.stem == "windows")
    unpacked(archive, tmp_path)[0].rename(tmp_path / "exported")
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    said = [
        subprocess.run(
            block,
            shell=True,
            cwd=tmp_path,
            env=os.environ | path,
            capture_output=True,
            text=True,
            check=True,
            timeout=200,
        ).stdout
        for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    ]
    assert "tensorflow (not on onnx: " in said[0]
    assert "output_0" in said[0]
    assert "onnx" in said[1]
    assert sorted(folder.name for folder in (tmp_path / "repository" / "windows").iterdir()) == ["1", "2"]
