"""Texts become tokens as Keras would make them, and no word is known from what validates or tests."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carousel.artifact import read_vocabulary, tokens_of, words_of, write_vocabulary
from carousel_models.data.common_words import vocabulary_of
from carousel_models.data.texts import text_splits
from carousel_models.recipe import TextSource
from carousel_models.refusals import SourceRefused

words = st.text(st.sampled_from("abcABC019'-.,!?\"() \t\n"), max_size=30)


def source(**said: object) -> TextSource:
    return TextSource(**{"kind": "text", "file": "f.csv", "text": "says", "label": "is", "vocabulary": 50} | said)


@given(st.lists(words, min_size=1, max_size=8), words)
def test_tokens_are_those_of_keras_text_vectorization(texts, text):
    """With the same vocabulary, any text has the same tokens there; texts without words are one unknown word here."""
    vocabulary = vocabulary_of(texts, 20)
    layer = keras.layers.TextVectorization(vocabulary=list(vocabulary[2:]) or ["none"], pad_to_max_tokens=False)
    theirs = np.asarray(layer([text]))[0]
    [ours] = tokens_of([text], vocabulary)
    assert ours.dtype == np.int32
    np.testing.assert_array_equal(ours, theirs if len(theirs) else [1])


def test_the_commonest_words_have_tokens_and_ties_go_by_the_alphabet():
    assert vocabulary_of(["b a c", "C b", "d"], 5) == ("", "[UNK]", "b", "c", "a")
    np.testing.assert_array_equal(tokens_of(["D, c: a!"], ("", "[UNK]", "b", "c", "a"))[0], [1, 3, 4])


def test_a_vocabulary_is_written_a_word_a_line(tmp_path):
    """The number of a line is the token, from 0."""
    path = write_vocabulary(tmp_path / "vocabulary.txt", ("", "[UNK]", "b"))
    assert path.read_text("utf-8").split("\n") == ["", "[UNK]", "b", ""]


@given(st.lists(st.text(), min_size=1))
def test_a_vocabulary_is_read_as_it_was_written(tmp_path_factory, texts):
    """Whatever letters the words are of."""
    path = tmp_path_factory.mktemp("words") / "vocabulary.txt"
    vocabulary = vocabulary_of([text.encode("utf-8", "replace").decode() for text in texts], 100)
    assert read_vocabulary(write_vocabulary(path, vocabulary)) == vocabulary


@given(st.integers(10, 40), st.integers(10, 40), st.integers(0, 99))
def test_every_text_is_in_one_split_and_every_label_in_each(tmp_path_factory, good, bad, seed):
    """Each text has a word of its own: those of validation and test have no tokens."""
    folder = tmp_path_factory.mktemp("texts")
    count = good + bad
    frame = pd.DataFrame({"says": [f"word{i}" for i in range(count)], "is": ["good"] * good + ["bad"] * bad})
    frame.to_csv(folder / "f.csv", index=False)
    splits = text_splits(source(vocabulary=1000), folder, seed)
    parts = (splits.train, splits.validation, splits.test)
    assert sorted(row for part in parts for row in part.at) == list(range(1, count + 1))
    assert splits.outputs == ("bad", "good")
    for part, share in zip(parts, (0.7, 0.15, 0.15), strict=True):
        np.testing.assert_allclose(np.bincount(part.targets), [bad * share, good * share], atol=1)
        np.testing.assert_array_equal(part.targets, (part.at <= good).astype(int))
    assert set(splits.vocabulary[2:]) == {f"word{row - 1}" for row in splits.train.at}
    assert all(tokens.tolist() == [1] for part in parts[1:] for tokens in part.inputs)
    again = text_splits(source(vocabulary=1000), folder, seed)
    np.testing.assert_array_equal(splits.test.at, again.test.at)


@pytest.mark.parametrize(
    ("text", "said", "sentence"),
    [
        ("says,is\na,x\n,x\n", {}, "column 'says' is empty in row 2: fill it, or remove the row."),
        ("says,is\na,x\nb,\n", {}, "column 'is' is empty in row 2: fill it, or remove the row."),
        (
            "say,is\na,x\n",
            {},
            "has no column 'says'; its columns are 'say', 'is'. Choose among these, or set separator",
        ),
        (
            "says,is\n" + "a,x\n" * 20 + "b,y\n" * 3,
            {},
            ("label 'y' has 3 texts, too few for validation 0.15 and test 0.15: give more texts, or other fractions"),
        ),
    ],
)
def test_a_fault_is_told_by_its_row(tmp_path, text, said, sentence):
    path: Path = tmp_path / "f.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(SourceRefused) as caught:
        text_splits(source(**said), tmp_path, 0)
    assert str(caught.value).removeprefix(f"{path}: ").startswith(sentence)


def test_a_text_may_hold_separators_digits_and_lines():
    """What is no letter is a word like any other, or none."""
    assert words_of("It's 9-to-5,\nreally: NO!") == ["its", "9to5", "really", "no"]
