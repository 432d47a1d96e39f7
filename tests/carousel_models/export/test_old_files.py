"""Files of real old Keras versions, made by `old_files/make.py`, answer as their own Keras answered."""

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from carousel.artifact import disagreement, read_manifest, read_signature
from carousel.engines import load_engine
from carousel_models.export import export
from carousel_models.export.keras_file import read_model
from carousel_models.refusals import ExportRefused

ARCHIVES = sorted((Path(__file__).parent / "old_files").glob("*.zip"))
FILES = [
    (archive, name)
    for archive in ARCHIVES
    for name in zipfile.ZipFile(archive).namelist()
    if name.endswith((".h5", ".keras")) and not name.startswith("weights_alone")
]


def unpacked(archive, name, folder):
    """Give a file of an archive, with the inputs and outputs that were recorded for it."""
    with zipfile.ZipFile(archive) as opened:
        opened.extract(name, folder)
        opened.extract("answers.npz", folder)
    with np.load(folder / "answers.npz") as answers:
        model = name.rpartition(".")[0]
        inputs, outputs = (
            [answers[key] for key in answers.files if key.startswith(f"{model}/{side}/")]
            for side in ("inputs", "outputs")
        )
    return folder / name, inputs, outputs


def test_every_version_is_there():
    """So that a lost archive is a failed test."""
    assert [archive.stem for archive in ARCHIVES] == [
        "keras-2.0.5",
        "keras-2.1.6",
        "keras-2.2.4",
        "keras-2.3.1",
        "tf-keras-2.21.0",
    ]


@pytest.mark.parametrize(("archive", "name"), FILES, ids=lambda value: getattr(value, "stem", value))
def test_an_old_file_means_what_it_meant(tmp_path, archive, name):
    """Every output is within 1e-5 of what the Keras that wrote the file gave."""
    path, inputs, outputs = unpacked(archive, name, tmp_path)
    given = read_model(path)(inputs if len(inputs) > 1 else inputs[0], training=False)
    given = given if isinstance(given, list) else [given]
    assert len(given) == len(outputs) > 0
    for own, recorded in zip(given, outputs, strict=True):
        assert np.abs(recorded).max() > 0
        np.testing.assert_allclose(np.asarray(own), recorded, rtol=0, atol=1e-5)


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda archive: archive.stem)
def test_weights_alone_are_refused_by_a_sentence_that_says_what_to_do(tmp_path, archive):
    """A file of `save_weights` has no layers in it."""
    path, *_ = unpacked(archive, "weights_alone.h5", tmp_path)
    with pytest.raises(ExportRefused, match=r"holds weights alone, .* call model.load_weights on this file"):
        read_model(path)


@pytest.mark.parametrize(("kind", "suffix"), [("h5", "keras"), ("keras", "h5"), ("keras", "model"), ("h5", "hdf5")])
def test_a_wrong_suffix_is_no_matter(tmp_path, kind, suffix):
    """A file is what is in it, old or new."""
    path, inputs, outputs = unpacked(ARCHIVES[-1], f"stack.{kind}", tmp_path)
    old = read_model(path.rename(tmp_path / f"renamed.{suffix}"))
    np.testing.assert_allclose(np.asarray(old(inputs[0])), outputs[0], rtol=0, atol=1e-5)
    old.save(tmp_path / f"new.{kind}")
    new = read_model((tmp_path / f"new.{kind}").rename(tmp_path / f"new-renamed.{suffix}"))
    np.testing.assert_allclose(np.asarray(new(inputs[0])), outputs[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("archive", "name"),
    [(ARCHIVES[0], "stack.h5"), (ARCHIVES[0], "bidirectional_tokens.h5"), (ARCHIVES[-1], "stack.keras")],
)
def test_an_old_file_is_exported_with_its_meaning(tmp_path, archive, name):
    """The cell graph and the SavedModel answer as the old Keras did."""
    path, (inputs,), (outputs,) = unpacked(archive, name, tmp_path)
    version = export(path, tmp_path / "repository", "old")
    signature, manifest = read_signature(version), read_manifest(version)
    for choice in ("onnx", "tensorflow"):
        engine, _ = load_engine(version, signature, manifest, choice)
        states = np.zeros((len(inputs), manifest.state_width), np.float32)
        own, _ = engine.run(np.ascontiguousarray(inputs.swapaxes(0, 1)), states)
        assert disagreement(own.swapaxes(0, 1) if outputs.ndim == 3 else own[-1], outputs) == ""


def test_a_model_of_keras_2_stays_what_it_is_when_keras_3_saves_it(tmp_path):
    """What Keras 2 meant otherwise is a class of its own, so it outlives saving and cloning."""
    path, (inputs,), (outputs,) = unpacked(ARCHIVES[0], "bidirectional_tokens.h5", tmp_path)
    model = read_model(path)
    model.save(tmp_path / "again.keras")
    for copy in (read_model(tmp_path / "again.keras"), keras.models.clone_model(model)):
        copy.set_weights(model.get_weights())
        np.testing.assert_allclose(np.asarray(copy(inputs)), outputs, rtol=0, atol=1e-5)
