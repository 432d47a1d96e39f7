"""Texts as tokens: the number of each word in a vocabulary."""

import re
import string
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PADDING, UNKNOWN = "", "[UNK]"
"""What the tokens 0 and 1 stand for, as in the vocabulary of Keras' TextVectorization."""

_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}]")


def words_of(text: str) -> list[str]:
    """Split a text as Keras' TextVectorization does by default: lower case, no punctuation, at white space."""
    return _PUNCTUATION.sub("", text.lower()).split()


def vocabulary_of(texts: Iterable[str], size: int) -> tuple[str, ...]:
    """Give what each token stands for: padding, unknown, then the commonest words, at most `size` in all.

    Of equally common words, those that come first in the alphabet are taken.
    """
    counts = Counter(word for text in texts for word in words_of(text))
    commonest = sorted(counts, key=lambda word: (-counts[word], word))
    return (PADDING, UNKNOWN, *commonest[: size - 2])


def tokens_of(texts: Iterable[str], vocabulary: tuple[str, ...]) -> tuple[NDArray[np.int32], ...]:
    """Give the tokens of each text, int32 [words]; a text without words is one unknown word."""
    numbers = {word: token for token, word in enumerate(vocabulary)}
    unknown = numbers[UNKNOWN]
    return tuple(
        np.array([numbers.get(word, unknown) for word in words_of(text)] or [unknown], np.int32) for text in texts
    )


def write_vocabulary(path: Path, vocabulary: tuple[str, ...]) -> Path:
    """Write a word a line, token 0 first, as UTF-8; the first line, for padding, is empty."""
    path.write_text("".join(f"{word}\n" for word in vocabulary), "utf-8")
    return path
