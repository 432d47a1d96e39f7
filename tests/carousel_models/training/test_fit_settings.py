"""What a recipe says of fitting reaches Keras: schedules, clipping, class weights, a reduced rate, TensorBoard."""

import keras
import numpy as np
import pytest

from carousel_models.data.examples import Examples, Splits
from carousel_models.recipe import Recipe, read_recipe
from carousel_models.refusals import RecipeRefused
from carousel_models.training import train
from carousel_models.training.network import class_weights, compiled
from tests.carousel_models.training.waves import RECIPE, write

TABLES = {
    "name": "small",
    "source": {"kind": "aeon", "dataset": "japanese_vowels"},
    "stack": [{"units": 2}],
    "heads": [{"units": 2}],
    "fit": {"loss": "mse", "epochs": 1},
}


def fitting(**said: object) -> Recipe:
    return Recipe.of({**TABLES, "fit": {**TABLES["fit"], **said}})


def labelled(task: str = "classify") -> Splits:
    targets = np.array([0, 0, 0, 1])
    part = Examples(tuple(np.zeros((4, 1, 1), np.float32)), targets, targets)
    return Splits(task, ("calm", "storm"), part, part, part)


def test_a_schedule_and_clipping_are_keras_own():
    schedule = {"class_name": "CosineDecay", "config": {"initial_learning_rate": 0.01, "decay_steps": 100}}
    recipe = fitting(optimizer={"class_name": "Adam", "config": {"learning_rate": schedule, "clipnorm": 2.0}})
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    optimizer = compiled(model, recipe.fit).optimizer
    assert isinstance(optimizer._learning_rate, keras.optimizers.schedules.CosineDecay)
    assert optimizer._learning_rate.decay_steps == 100
    assert optimizer.clipnorm == 2.0


def test_class_weights_are_by_label_or_balanced():
    """Balanced, every class weighs as much as any other in sum."""
    assert class_weights(fitting(), labelled()) is None
    assert class_weights(fitting(class_weight={"storm": 3.0}), labelled()) == {0: 1.0, 1: 3.0}
    balanced = class_weights(fitting(class_weight="balanced"), labelled())
    assert balanced[0] * 3 == pytest.approx(balanced[1])
    assert balanced[0] * 3 + balanced[1] == pytest.approx(4)


@pytest.mark.parametrize(
    ("task", "said", "sentence"),
    [
        ("classify", {"hail": 2.0}, "fit.class_weight: 'hail' is no class of the source; these are: calm, storm"),
        ("forecast", "balanced", "fit.class_weight: the source has no classes to weigh: leave it out"),
    ],
)
def test_weights_of_no_class_are_refused(task, said, sentence):
    with pytest.raises(RecipeRefused) as caught:
        class_weights(fitting(class_weight=said), labelled(task))
    assert str(caught.value) == sentence


def test_a_weight_changes_what_is_learnt_and_a_reduced_rate_how_far(tmp_path):
    """A fit with everything at once, its TensorBoard logs beside it."""
    said = RECIPE.replace(
        "early_stopping = { patience = 1 }", "reduce_learning_rate = { patience = 1, factor = 0.5, min_delta = 99.0 }"
    ).replace("epochs = 2", "epochs = 3")
    train(write(tmp_path, said), tmp_path / "out", tensorboard=True, quiet=True)
    # The first epoch betters infinity, each later one is not 99 better: two times halved.
    model = keras.models.load_model(tmp_path / "out" / "model.keras", compile=False)
    assert model.count_params() > 0
    with np.load(tmp_path / "out" / "checkpoint.npz") as checkpoint:
        rates = [float(array) for name, array in checkpoint.items() if name == "optimizer_1"]
    assert rates == pytest.approx([0.01 / 4])
    assert list((tmp_path / "out" / "tensorboard").glob("*/events.out.tfevents.*"))
    assert read_recipe(tmp_path / "recipe.toml").fit.reduce_learning_rate.factor == 0.5


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_keeps_weights_and_answers_in_float32(tmp_path, policy):
    """Its layers compute in half precision, all but the last; what is trained so is saved and judged as any other."""
    path = write(tmp_path, RECIPE.replace("epochs = 2\n", f'epochs = 1\ndtype_policy = "{policy}"\n'))
    result = train(path, tmp_path / "out", quiet=True)
    model = keras.models.load_model(result.model)
    computed = {layer.name: layer.compute_dtype for layer in model.layers}
    half, full = policy.removeprefix("mixed_"), "float32"
    assert computed == {"scaled": full, "lstm_0": half, "lstm_1": half, "dense_0": full, "raw_units": full}
    assert {str(weight.dtype) for weight in model.trainable_weights} == {full}
    assert np.isfinite(result.training.history.val_loss).all()
