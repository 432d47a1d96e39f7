"""From a raw file of texts to a version that answers tokens, beside a bag of words."""

import json

import keras
import numpy as np
import pytest

from carousel.artifact import read_manifest, tokens_of
from carousel.cli import main
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


@pytest.fixture(scope="module")
def served(moods, started, tmp_path_factory):
    """Serve what was trained; give the server's host:port and the version's folder."""
    repository = tmp_path_factory.mktemp("repository")
    folder = export(moods.model, repository, "moods", vocabulary=moods.vocabulary)
    server = started(repository=repository)
    yield server.target, folder
    server.stop()


def asked(capsys, *words) -> np.ndarray:
    """Give what `carousel predict moods` prints."""
    assert main(["predict", "moods", *map(str, words)]) == 0
    return np.array([json.loads(line) for line in capsys.readouterr().out.splitlines()], np.float32)


def test_plain_text_is_answered_with_the_vocabulary_of_the_version(moods, served, tmp_path, capsys):
    """From raw file to served answer: a line a text, each answered as Keras answers its tokens."""
    target, folder = served
    texts = ["Good, fine and SUNNY.", "grey", "", "nothing of which was ever heard", "today: rainy, bad"]
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n", "utf-8")
    model = keras.models.load_model(moods.model)
    vocabulary = tuple(moods.vocabulary.read_text("utf-8").split("\n")[:-1])
    expected = [model.predict(tokens[None], verbose=0)[0] for tokens in tokens_of(texts, vocabulary)]
    for words in (folder, moods.vocabulary):
        answers = asked(capsys, tmp_path / "texts.txt", "--vocabulary", words, "--target", target)
        np.testing.assert_allclose(answers, expected, rtol=1e-4)


def test_held_out_texts_are_answered_as_they_were_judged(moods, served, capsys):
    """Their tokens are in held_out.npz."""
    target, _ = served
    answers = asked(capsys, moods.held_out, "--target", target)
    with np.load(moods.held_out) as held_out:
        np.testing.assert_allclose(answers, held_out["predictions"], rtol=1e-4)


def test_what_is_no_vocabulary_or_no_text_is_refused_by_its_file(moods, tmp_path, capsys):
    """Before any server is asked."""
    (tmp_path / "empty.txt").write_text("", "utf-8")
    (tmp_path / "noise.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "words.txt").write_text("a\nb\n", "utf-8")
    said = {
        ("empty.txt", moods.vocabulary): "empty.txt: expected a text in each line, found none",
        ("noise.txt", moods.vocabulary): "noise.txt: 'utf-8' codec can't decode byte 0xff",
        ("none.txt", moods.vocabulary): "none.txt: No such file or directory",
        ("words.txt", tmp_path / "words.txt"): "words.txt: is not a vocabulary: its lines must be empty, [UNK], then",
        ("words.txt", tmp_path): "assets/vocabulary.txt: No such file or directory",
    }
    for (file, words), sentence in said.items():
        line = ["predict", "moods", str(tmp_path / file), "--vocabulary", str(words), "--target", "127.0.0.1:1"]
        assert main(line) == 1
        assert sentence in capsys.readouterr().err
