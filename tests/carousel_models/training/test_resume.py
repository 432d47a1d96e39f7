"""An interrupted fit ends well, and goes on to the same weights as an undisturbed one, bit for bit."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from carousel_models.data.splits import splits_of
from carousel_models.recipe import Recipe, read_recipe
from carousel_models.refusals import CheckpointRefused
from carousel_models.training import course
from carousel_models.training.checkpoint import write_checkpoint
from carousel_models.training.fit import fitted
from tests.carousel_models.training.waves import RECIPE, write

# Everything that remembers something from epoch to epoch: dropout, the optimizer, both callbacks that count.
REMEMBERING = RECIPE.replace("dropout = 0.1", "dropout = 0.1\nrecurrent_dropout = 0.2").replace(
    "epochs = 2\nearly_stopping = { patience = 1 }",
    "epochs = 6\nearly_stopping = { patience = 3, min_delta = 0.01 }\n"
    "reduce_learning_rate = { patience = 1, factor = 0.5, min_delta = 1.0 }",
)


class Interrupt(keras.callbacks.Callback):
    """Interrupt from the keyboard in the middle of an epoch."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch
        self.now = -1

    def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
        if (self.now, batch) == (self.epoch, 1):
            raise KeyboardInterrupt


class Signal(keras.callbacks.Callback):
    """Send this process SIGINT at one moment of epoch 2, as the keyboard may."""

    def __init__(self, moment: str) -> None:
        super().__init__()
        self.now = -1
        setattr(self, moment, self.send)

    def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
        self.now = epoch

    def send(self, *_, **__):
        if self.now == 2:
            self.now = -1
            os.kill(os.getpid(), signal.SIGINT)


def with_epochs(recipe: Recipe, epochs: int) -> Recipe:
    tables = recipe.tables
    tables["fit"]["epochs"] = epochs
    return Recipe.of(tables)


def same(one, other) -> None:
    """Weights and losses are equal to the bit; only the time differs."""
    (model, history), (model_too, history_too) = one, other
    for ours, theirs in zip(model.get_weights(), model_too.get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()
    assert replace(history, seconds=0, interrupted=False) == replace(history_too, seconds=0, interrupted=False)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    return read_recipe(write(tmp_path_factory.mktemp("waves"), REMEMBERING))


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("waves")
    return splits_of(read_recipe(write(folder, REMEMBERING)), folder)


@pytest.fixture(scope="module")
def whole(recipe, splits):
    return fitted(recipe, splits)


def test_resumed_it_gives_the_same_curve_as_undisturbed_and_interrupted_what_fewer_epochs_give(
    recipe, splits, whole, tmp_path
):
    """Twice interrupted, in the middle of an epoch each; what is done by then is what that many epochs would give."""
    path = tmp_path / "checkpoint.npz"
    first = fitted(recipe, splits, [Interrupt(2)], checkpoint=path)
    assert first[1].interrupted
    same(first, fitted(with_epochs(recipe, 2), splits))
    fitted(recipe, splits, [Interrupt(4)], checkpoint=path, resume=True)
    same(fitted(recipe, splits, checkpoint=path, resume=True), whole)
    # What has ended is not begun again.
    same(fitted(recipe, splits, checkpoint=path, resume=True), whole)


def test_more_epochs_may_be_asked_for_later(recipe, splits, whole, tmp_path):
    path = tmp_path / "checkpoint.npz"
    fitted(with_epochs(recipe, 3), splits, checkpoint=path)
    same(fitted(recipe, splits, checkpoint=path, resume=True), whole)


def test_an_interrupt_in_the_first_epoch_leaves_nothing(recipe, splits, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fitted(recipe, splits, [Interrupt(0)], checkpoint=tmp_path / "checkpoint.npz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moment", ["on_test_begin", "on_epoch_end"])
def test_whenever_the_interrupt_comes_the_checkpoint_is_of_the_epoch_that_the_model_is_of(
    recipe, splits, whole, tmp_path, moment
):
    """Also while the checkpoint is being written: an epoch's end is never cut in two."""
    path = tmp_path / "checkpoint.npz"
    first = fitted(recipe, splits, [Signal(moment)], checkpoint=path)
    assert first[1].interrupted
    same(fitted(recipe, splits, checkpoint=path, resume=True), whole)


def test_an_interrupt_while_a_checkpoint_is_written_waits_until_it_is(recipe, splits, tmp_path, monkeypatch):
    sending, path = Signal("never"), tmp_path / "checkpoint.npz"

    def interrupted_write(*arguments):
        sending.send()
        write_checkpoint(*arguments)

    monkeypatch.setattr(course, "write_checkpoint", interrupted_write)
    _, history = fitted(recipe, splits, [sending], checkpoint=path)
    with np.load(path) as checkpoint:
        assert len(json.loads(str(checkpoint["rest"]))["losses"]) == len(history.loss)
    assert history.interrupted


def test_a_checkpoint_of_something_else_is_refused(recipe, splits, tmp_path):
    """Of another recipe, of other examples, or damaged: never silently gone on from."""
    path = tmp_path / "checkpoint.npz"
    fitted(with_epochs(recipe, 1), splits, checkpoint=path)
    other = Recipe.of({**recipe.tables, "seed": 99})
    inputs = (splits.train.inputs[0] + 1, *splits.train.inputs[1:])
    changed = replace(splits, train=replace(splits.train, inputs=inputs))
    for what in ((other, splits), (recipe, changed)):
        with pytest.raises(CheckpointRefused, match="is a checkpoint of another recipe, other examples or another rel"):
            fitted(*what, checkpoint=path, resume=True)
    for damaged in (b"", b"PK\x03\x04", path.read_bytes()[:2000]):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointRefused, match=r"is not a checkpoint \(.*\): train without --resume"):
            fitted(recipe, splits, checkpoint=path, resume=True)


def test_sigint_ends_the_command_well(tmp_path):
    """The model, the report and a checkpoint are there, the last line says what to do, and the status is a shell's."""
    recipe = write(tmp_path, RECIPE.replace("epochs = 2\nearly_stopping = { patience = 1 }", "epochs = 100000"))
    command = [sys.executable, "-m", "carousel", "train", recipe, "--output", tmp_path / "out", "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        while process.poll() is None and not Path(tmp_path / "out" / "checkpoint.npz").exists():
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said, complained = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, complained
    assert "Interrupted: the same command with --resume goes on from there." in said
    report = json.loads((tmp_path / "out" / "report" / "report.json").read_text("utf-8"))
    with np.load(tmp_path / "out" / "checkpoint.npz") as checkpoint:
        assert len(json.loads(str(checkpoint["rest"]))["losses"]) == report["epochs"]
    keras.models.load_model(tmp_path / "out" / "model.keras")
