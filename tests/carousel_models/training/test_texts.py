"""From a raw file of texts to a version that answers tokens, beside a bag of words."""

import json

import keras
import numpy as np
import pytest

from carousel.artifact import read_manifest
from carousel_models.export import export
from carousel_models.refusals import ExportRefused
from carousel_models.training import train

RECIPE = """
name = "moods"
source = { kind = "text", file = "moods.csv", text = "says", label = "mood", vocabulary = 12 }
embedding = { output_dim = 3 }
stack = [{ units = 3, bidirectional = true }]
heads = [{ units = 2, activation = "softmax" }]
fit = { loss = "sparse_categorical_crossentropy", epochs = 1 }
"""


@pytest.fixture(scope="module")
def moods(tmp_path_factory):
    """Train on forty texts whose words tell their mood."""
    folder = tmp_path_factory.mktemp("moods")
    chance = np.random.default_rng(3)
    words = {"glad": ["good", "fine", "sunny"], "sad": ["bad", "grey", "rainy"]}
    rows = [
        f'"{" ".join(chance.choice(words[mood], chance.integers(1, 6)))}, today",{mood}'
        for mood in ("glad", "sad")
        for _ in range(20)
    ]
    (folder / "moods.csv").write_text("says,mood\n" + "\n".join(rows) + "\n", "utf-8")
    (folder / "recipe.toml").write_text(RECIPE, "utf-8")
    return train(folder / "recipe.toml", folder / "out", quiet=True)


def test_a_model_of_texts_reads_tokens_and_is_judged_beside_a_bag_of_words(moods):
    """Nothing is padded in training, and a client that pads with token 0 gets the same answer: mask_zero is set."""
    report = json.loads(moods.report[0].read_text("utf-8"))
    [score] = report["test"]
    assert score["baselines"] == {"the majority class": 0.5, "logistic regression on words": 1.0}
    model = keras.models.load_model(moods.model)
    assert (model.input_shape, model.inputs[0].dtype) == ((None, None), "int32")
    with np.load(moods.held_out) as held_out:
        tokens = held_out["inputs_0"]
        assert tokens.dtype == np.int32
        padded = np.concatenate([tokens, np.zeros(4, np.int32)])
        for sequence in (tokens, padded):
            answer = model.predict(sequence[None], verbose=0)[0]
            np.testing.assert_allclose(answer, held_out["predictions"][0], rtol=1e-4)


def test_a_version_holds_its_vocabulary(moods, tmp_path):
    """As an asset of the SavedModel; it must have a line for each token."""
    folder = export(moods.model, tmp_path, "moods", vocabulary=moods.vocabulary)
    lines = (folder / "assets" / "vocabulary.txt").read_text("utf-8").split("\n")
    assert lines[:3] == ["", "[UNK]", "today"]
    assert len(lines) - 1 == read_manifest(folder).vocabulary
    short = tmp_path / "short.txt"
    short.write_text("\n[UNK]\n", "utf-8")
    with pytest.raises(ExportRefused, match=r"short\.txt: has 2 lines, and the model's Embedding 9 tokens"):
        export(moods.model, tmp_path, "moods", vocabulary=short)
    with pytest.raises(ExportRefused, match=r"none\.txt: cannot be read as UTF-8 text"):
        export(moods.model, tmp_path, "moods", vocabulary=tmp_path / "none.txt")
    assert [path.name for path in (tmp_path / "moods").iterdir()] == ["1"]
