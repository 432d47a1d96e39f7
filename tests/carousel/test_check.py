"""`carousel check` says what a model will be when it is served, and `carousel export` what it has become."""

import re

import keras
import pytest
from keras import layers

from carousel.cli import main
from carousel.cli.check import layers_in_words


def said_of(capsys, *words) -> dict[str, str]:
    """Run a command that describes a model; give its lines by their labels."""
    assert main([*map(str, words)]) == 0
    lines = capsys.readouterr().out.splitlines()
    return {line[:12].strip(): line[13:] for line in lines if line[:1].strip() and len(line) > 13 and line[12] == " "}


@pytest.fixture
def stack(repository):
    return repository / "stack" / "own.keras"


def test_the_way_of_the_shapes_is_told_as_keras_users_think_it(stack, capsys):
    said = said_of(capsys, "check", stack)
    assert said["layers"] == "[5, 64] -> LSTM(128) -> [5, 128] -> LSTM(256) -> [256]"
    assert said["parameters"] == f"{keras.models.load_model(stack).count_params():,}"
    assert re.fullmatch(r"\S+ float32 \[timesteps, 64\], of any length", said["send"])
    assert said["kind"].startswith("stepwise")
    assert said["live"] == "yes, by its states"
    assert said["engine"] == "onnx"
    assert said["equal bits"] == "yes"
    assert 0 < float(said["worst error"].split()[0]) < 1e-5
    assert re.match(r"[\d.e+]+ us alone", said["a timestep"])
    assert said_of(capsys, "check", stack, "--timesteps", "9")["layers"].startswith("[9, 64] -> LSTM(128) -> [9, 128]")


def test_why_a_model_is_whole_is_told(repository, capsys):
    said = said_of(capsys, "check", repository / "whole" / "own.keras")
    assert "Bidirectional(LSTM(4), concat) -> [5, 8]" in said["layers"]
    assert said["kind"].startswith("whole: layer 'bidirectional")
    assert said["live"].startswith("only as a window that slides")
    fixed = said_of(capsys, "check", repository / "fixed" / "own.keras")
    assert fixed["layers"].startswith("[6, 3] -> LSTM(4) -> [6, 4] -> Flatten -> [24] -> Dense(2) -> [2]")
    assert re.fullmatch(r"\S+ float32 \[6, 3\]", fixed["send"])
    assert fixed["live"].endswith("the last 6")


def test_branches_are_told_a_layer_a_line():
    """What is left out in the middle of a way would not be its shape."""
    prices, store = keras.Input((None, 3), name="prices"), keras.Input((2,), name="store")
    mean = layers.LSTM(4, name="lstm")(layers.Masking(name="masking")(prices))
    model = keras.Model([prices, store], layers.Dense(1, name="up")(layers.Concatenate(name="both")([mean, store])))
    lines = [" ".join(line.split()) for line in layers_in_words(model, 7)]
    assert lines == [
        "layers masking [7, 3] -> Masking -> [7, 3]",
        "lstm [7, 3] -> LSTM(4) -> [4]",
        "both [4], [2] -> Concatenate -> [6]",
        "up [6] -> Dense(1) -> [1]",
        f"parameters {model.count_params()}",
    ]


def test_an_export_says_the_same_of_the_version_that_it_wrote(stack, tmp_path, capsys):
    """The folder first, for scripts."""
    assert main(["export", str(stack), "--repository", str(tmp_path), "--name", "stack"]) == 0
    folder, *lines = capsys.readouterr().out.splitlines()
    assert folder == str(tmp_path / "stack" / "1")
    labels = [line[:12].strip() for line in lines]
    assert labels[:5] == ["layers", "parameters", "takes", "gives", "gives"]
    assert {"send", "kind", "live", "engine", "worst error", "a timestep"} <= set(labels)


def test_what_cannot_be_served_is_shown_as_far_as_it_goes(tmp_path, capsys):
    """The layers are told, then the reason."""
    path = tmp_path / "image.keras"
    keras.Sequential([layers.Input((4, 4, 4, 1)), layers.Flatten(), layers.Dense(2)]).save(path)
    assert main(["check", str(path)]) == 1
    told = capsys.readouterr()
    assert told.out.startswith("layers       [4, 4, 4, 1] -> Flatten -> [64] -> Dense(2) -> [2]")
    assert told.err.startswith("carousel: ")
