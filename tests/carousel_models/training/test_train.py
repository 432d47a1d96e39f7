"""From a recipe to a model: raw numbers in, raw numbers out, the same weights every time."""

import json

import keras
import numpy as np
import pytest

from carousel_models.data.batches import Shuffle, batches_of
from carousel_models.data.examples import Examples
from carousel_models.data.splits import splits_of
from carousel_models.recipe import Recipe, read_recipe
from carousel_models.refusals import FitDiverged, RecipeRefused
from carousel_models.training import train
from carousel_models.training.network import layers_of
from tests.carousel_models.training.waves import RECIPE, write

VOWELS = """
name = "vowels"
source = { kind = "aeon", dataset = "japanese_vowels" }
stack = [{ units = 4 }]
heads = [{ units = 9, activation = "softmax" }]
fit = { loss = "sparse_categorical_crossentropy", epochs = 1 }
"""


def weights(model: keras.Model) -> list[np.ndarray]:
    """Give all that a model learnt."""
    return model.get_weights()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Give a folder for the training that most tests look at."""
    return tmp_path_factory.mktemp("waves")


@pytest.fixture(scope="module")
def result(folder):
    """One small training."""
    return train(write(folder, RECIPE), folder / "one", quiet=True)


def test_a_training_leaves_model_report_and_held_out_sequences(result, folder):
    """Everything that the command prints is there, and the figures are JSON."""
    assert [path.relative_to(folder).as_posix() for path in (result.model, result.held_out, *result.report)] == [
        "one/model.keras",
        "one/held_out.npz",
        "one/report/report.json",
        "one/report/report.html",
        *(f"one/report/{name}.png" for name in ("splits", "loss", "forecast", "errors", "residuals")),
    ]
    report = json.loads(result.report[0].read_text("utf-8"))
    assert report["verdict"] == str(result.training.test.scores)
    assert report["verdict"] in str(result)
    assert report["examples"]["test"] == {"count": 13, "first": "2020-04-17", "last": "2020-04-29"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in result.report[2:])


def test_the_saved_model_answers_held_out_sequences_in_raw_units(result):
    """A client sends raw numbers: scaling is in the file, and what is read back answers as what was judged."""
    model = keras.models.load_model(result.model)
    with np.load(result.held_out) as held_out:
        inputs = np.stack([held_out[f"inputs_{i}"] for i in range(len(held_out["targets"]))])
        np.testing.assert_allclose(model.predict(inputs, verbose=0), held_out["predictions"], rtol=1e-5)
        assert inputs.dtype == np.float32
        assert 80 < held_out["predictions"].mean() < 120
        assert list(held_out["baselines"]) == ["persistence", "ridge regression"]
        np.testing.assert_array_equal(held_out["baseline_0"], inputs[:, -1, 1:])
    assert model.input_shape == (None, None, 2)


def test_the_same_recipe_gives_the_same_weights_whatever_the_test_split_holds(result, tmp_path):
    """One seed decides all, and neither weights nor scaling have seen a row of the test split."""
    again = train(write(tmp_path, RECIPE, loud_end=50.0), tmp_path / "two", quiet=True)
    first, second = (keras.models.load_model(one.model) for one in (result, again))
    for ours, theirs in zip(weights(first), weights(second), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(first.layers, second.layers, strict=True):
        assert ours.get_config() == theirs.get_config()


def test_another_seed_gives_other_weights(result, tmp_path):
    """The seed is used."""
    other = train(write(tmp_path, RECIPE.replace("seed = 3", "seed = 4")), tmp_path / "three", quiet=True)
    first, second = (keras.models.load_model(one.model) for one in (result, other))
    assert any((a != b).any() for a, b in zip(weights(first), weights(second), strict=True))


def test_sequences_of_every_length_train_without_padding(tmp_path):
    """Vowels of 7 to 29 timesteps: the model has no Masking layer, and its answers come in the examples' order."""
    path = tmp_path / "vowels.toml"
    path.write_text(VOWELS, "utf-8")
    result = train(path, tmp_path / "out", quiet=True)
    model = keras.models.load_model(result.model)
    assert not any(isinstance(layer, keras.layers.Masking) for layer in model.layers)
    assert [path.name for path in result.report[2:]] == ["loss.png", "confusion.png", "calibration.png"]
    with np.load(result.held_out) as held_out:
        for i in (0, 100, 369):
            alone = model.predict(held_out[f"inputs_{i}"][None], verbose=0)[0]
            np.testing.assert_allclose(alone, held_out["predictions"][i], rtol=1e-4, atol=1e-6)


def test_every_example_is_in_one_batch_of_its_length():
    """A pass holds each example once, and no batch mixes lengths."""
    lengths = [3, 1, 3, 2, 3, 1]
    inputs = tuple(np.full((length, 1), i, np.float32) for i, length in enumerate(lengths))
    examples = Examples(inputs, np.arange(6), np.arange(6))
    for shuffle in (None, Shuffle(1)):
        batches = [(x.numpy(), y.numpy()) for x, y in batches_of(examples, 2, shuffle)]
        assert sorted(target for _, targets in batches for target in targets) == list(range(6))
        for x, targets in batches:
            assert len(targets) <= 2
            assert all((row == target).all() for row, target in zip(x, targets, strict=True))
            assert {lengths[target] for target in targets} == {x.shape[1]}


def test_what_a_recipe_says_reaches_the_layers(tmp_path):
    """Every kind of argument, by name and as a table; what is not said is Keras' own default."""
    said = """units = 4
activation = "relu"
recurrent_activation = "hard_sigmoid"
use_bias = true
unit_forget_bias = false
kernel_initializer = { class_name = "RandomNormal", config = { stddev = 0.5 } }
recurrent_regularizer = { class_name = "L2", config = { l2 = 0.25 } }
bias_constraint = "non_neg"
recurrent_dropout = 0.5
"""
    path = write(tmp_path, RECIPE.replace("units = 4\n", said))
    first, second, head = layers_of(read_recipe(path))
    assert (first.activation, first.recurrent_activation) == (keras.activations.relu, keras.activations.hard_sigmoid)
    assert first.kernel_initializer.stddev == 0.5
    assert float(first.recurrent_regularizer.l2) == 0.25
    assert isinstance(first.bias_constraint, keras.constraints.NonNeg)
    assert (first.unit_forget_bias, first.recurrent_dropout, first.dropout) == (False, 0.5, 0.1)
    assert (first.return_sequences, second.return_sequences) == (True, False)
    assert isinstance(second.recurrent_initializer, keras.initializers.Orthogonal)
    assert isinstance(head, keras.layers.Dense)


def test_layers_may_be_gru_and_read_both_ways(tmp_path):
    """A GRU takes what Keras' GRU takes; Bidirectional joins two of a layer."""
    said = 'units = 4\nlayer = "GRU"\nreset_after = false\nbidirectional = true\n'
    first, second, _ = layers_of(read_recipe(write(tmp_path, RECIPE.replace("units = 4\n", said))))
    assert isinstance(first, keras.layers.Bidirectional)
    assert isinstance(first.forward_layer, keras.layers.GRU)
    assert (first.forward_layer.reset_after, first.return_sequences, first.name) == (False, True, "gru_0")
    assert isinstance(second, keras.layers.LSTM)


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ('"relu"', '"rely"', "stack[1].activation: Keras makes no activation of 'rely'"),
        ('"mse"', '"mess"', "fit.loss: Keras makes no loss of 'mess'"),
        ("learning_rate", "learning_rat", "fit.optimizer: Keras makes no optimizer of {'class_name': 'Adam'"),
    ],
)
def test_what_keras_does_not_know_is_told_by_its_place(tmp_path, before, after, sentence):
    """Names are Keras' own, so Keras is asked; the message still says where in which file."""
    path = write(tmp_path, RECIPE.replace(before, after))
    with pytest.raises(RecipeRefused) as caught:
        train(path, tmp_path / "out", quiet=True)
    assert str(caught.value).startswith(f"{path}: {sentence}")


def test_heads_that_do_not_fit_the_classes_are_refused(tmp_path):
    """How many classes there are is known only once they are read."""
    path = tmp_path / "vowels.toml"
    path.write_text(VOWELS.replace("units = 9", "units = 8"), "utf-8")
    with pytest.raises(
        RecipeRefused, match=r"heads\[0\]\.units: is 8, and the source has 9 classes: give one unit each"
    ):
        train(path, tmp_path / "out", quiet=True)


def test_a_loss_that_explodes_is_an_error_with_a_remedy(tmp_path):
    """A model of NaN is never saved."""
    wild = RECIPE.replace("{ learning_rate = 0.01 }", "{ learning_rate = 1e30 }").replace('"Adam"', '"SGD"')
    with pytest.raises(
        FitDiverged, match=r"the loss became infinite or NaN in epoch 1 of waves: lower the optimizer's"
    ):
        train(write(tmp_path, wild), tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()


def test_validation_holds_some_of_every_class(tmp_path):
    """Vowels are sorted by speaker: a cut in order would hold whole speakers."""
    path = tmp_path / "vowels.toml"
    path.write_text(VOWELS, "utf-8")
    recipe: Recipe = read_recipe(path)
    splits = splits_of(recipe, tmp_path)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (216, 54, 370)
    np.testing.assert_array_equal(np.bincount(splits.validation.targets), [6] * 9)
