"""SavedModels that others made, by `tests/carousel_models/export/foreign/make.py`, are served as they are."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from carousel.artifact import Column, Layout, TensorSpec, disagreement, read_signature
from carousel.errors import Violation
from carousel.serving.version import load_version

ARCHIVES = sorted(
    (Path(__file__).parents[2] / "carousel_models" / "export" / "foreign").glob("*.zip"), key=lambda path: path.stem
)
SIGNATURES = {
    "fixed_batch": (["lstm_input float32 [8, 10, 4]"], ["dense float32 [8, 1]"]),
    "not_the_last": (["inputs float32 [?, ?, 3]"], ["last_step float32 [?, 2]", "sequence float32 [?, ?, 2]"]),
    "sentiment": (["words int32 [?, ?]"], ["sentiment float32 [?, 2]"]),
    "store_sales": (
        ["prices float32 [?, ?, 4]", "store float32 [?, 3]"],
        ["output_0 float32 [?, 2]", "output_1 float32 [?, 2]", "output_2 float32 [?, 1]"],
    ),
    "two_signatures": (["signal float32 [?, ?, 3]"], ["smooth float32 [?, ?, 4]"]),
    "windows": (["keras_tensor float32 [?, 20, 5]"], ["output_0 float32 [?, 3]"]),
}


def unpacked(archive, repository):
    """Lay an archive out as version 1; give its folder, and the recorded inputs and outputs by name."""
    folder = repository / archive.stem / "1"
    zipfile.ZipFile(archive).extractall(folder)
    with np.load(folder / "answers.npz") as answers:
        sides = [
            {key.removeprefix(side): answers[key] for key in answers.files if key.startswith(side)}
            for side in ("inputs/", "outputs/")
        ]
    (folder / "answers.npz").unlink()
    return folder, *sides


def test_every_archive_is_there():
    """So that a lost one is a failed test."""
    assert [archive.stem for archive in ARCHIVES] == sorted(SIGNATURES)


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.stem)
def test_a_savedmodel_that_others_made_is_served_at_once_from_its_own_signature(tmp_path, archive):
    """Its names, shapes and dtypes are its author's, and so is every answer, one sample at a time."""
    folder, inputs, outputs = unpacked(archive, tmp_path)
    takes, gives = SIGNATURES[archive.stem]
    version = load_version(folder)
    signature = version.signature
    assert [str(spec) for spec in signature.takes.specs] == takes
    assert [str(spec) for spec in signature.gives.specs] == gives
    assert version.engine.name == "tensorflow"
    assert "has no manifest, so no cell graph; `carousel export` writes both" in version.not_preferred_because
    faults: list[Violation] = []
    samples = signature.takes.pack_batch(inputs, faults)
    assert not faults
    answers = [version.engine.run(sample[:, np.newaxis], np.zeros((1, 0), np.float32))[0][:, 0] for sample in samples]
    named = signature.gives.split_batch(answers)
    assert named.keys() == outputs.keys()
    for name, recorded in outputs.items():
        assert named[name].dtype == recorded.dtype
        assert disagreement(named[name], recorded) == "", name


def calls_of(engine):
    """Note how many rows each call of TensorFlow has."""
    rows, run = [], engine._run

    def noted(**tensors):
        rows.append(len(next(iter(tensors.values()))))
        return run(**tensors)

    engine._run = noted
    return rows


@pytest.mark.parametrize("name", ["store_sales", "sentiment", "not_the_last", "fixed_batch"])
def test_rows_share_tensorflows_calls_where_a_setting_says_so(tmp_path, name):
    """One call for all, as near to each row's own as float32 is, and no promise of equal bits; else a call a row."""
    folder, inputs, _ = unpacked(next(path for path in ARCHIVES if path.stem == name), tmp_path)
    alone, shared = load_version(folder), load_version(folder, tensorflow_batches=True)
    samples = np.stack(alone.signature.takes.pack_batch(inputs, []), axis=1)
    samples = np.concatenate([samples] * 3, axis=1)
    state, rows = np.zeros((samples.shape[1], 0), np.float32), samples.shape[1]
    calls = [calls_of(version.engine) for version in (alone, shared)]
    expected, answers = (version.engine.run(samples, state)[0] for version in (alone, shared))
    assert disagreement(answers, expected) == ""
    fixed = alone.signature.takes.batch
    assert calls == [[fixed or 1] * rows, [fixed] * rows if fixed else [rows]]
    assert (alone.batch_invariant, shared.batch_invariant) == (True, True if fixed else None)


def test_names_shapes_and_types_that_are_not_the_authors_are_faults_by_name(tmp_path):
    """Every one at once."""
    archive = next(path for path in ARCHIVES if path.stem == "store_sales")
    takes = read_signature(unpacked(archive, tmp_path)[0]).takes
    faults: list[Violation] = []
    wrong = {"prices": np.zeros((5, 3), np.float32), "shop": np.zeros(3, np.float32)}
    assert takes.pack(wrong, faults) is None
    assert [str(fault) for fault in faults] == [
        "shop: is no input of the model; it takes prices, store",
        "prices.shape: is [5, 3], expected [?, 4]",
        "store: is missing: expected store float32 [?, 3]",
    ]


def test_what_is_repeated_at_every_timestep_is_bounded_before_it_is_written_out(monkeypatch):
    """A short message may not become a large array: for one sample, for a batch, and for samples one by one."""
    monkeypatch.setattr("carousel.artifact.layout.MAX_PACKED_BYTES", 4 * 101 * 25)
    columns = (
        Column(TensorSpec("x", "float32", (None, None, 1)), 0, 1, timewise=True),
        Column(TensorSpec("wide", "float32", (None, 100)), 1, 101, timewise=False),
    )
    layout = Layout(columns)
    sample = {"x": np.zeros((10, 1), np.float32), "wide": np.zeros(100, np.float32)}
    faults: list[Violation] = []
    first = layout.pack(sample, faults)
    assert first is not None
    assert layout.pack(sample, faults, first.nbytes) is not None
    assert not faults
    assert layout.pack(sample, faults, 2 * first.nbytes) is None
    assert layout.pack_batch({name: np.stack([tensor] * 3) for name, tensor in sample.items()}, faults) == []
    assert layout.pack({"x": np.zeros((26, 1), np.float32), "wide": sample["wide"]}, faults) is None
    assert [fault.field for fault in faults] == ["x"] * 3
    assert all(" bytes side by side " in fault.description for fault in faults)
