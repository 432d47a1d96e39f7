"""The words of a model of tokens, a file of its version, and texts as the numbers of their words."""

import re
import string
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

VOCABULARY = Path("assets", "vocabulary.txt")
"""Where a version keeps it: a SavedModel has there what its layers look up, and other tools look for it there."""

PADDING, UNKNOWN = "", "[UNK]"
"""What the tokens 0 and 1 stand for, as in the vocabulary of Keras' TextVectorization."""

_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}]")


def words_of(text: str) -> list[str]:
    """Split a text as Keras' TextVectorization does by default: lower case, no punctuation, at white space."""
    return _PUNCTUATION.sub("", text.lower()).split()


def tokens_of(texts: Iterable[str], vocabulary: tuple[str, ...]) -> tuple[NDArray[np.int32], ...]:
    """Give the tokens of each text, int32 [words]; a text without words is one unknown word."""
    numbers = {word: token for token, word in enumerate(vocabulary)}
    unknown = numbers[UNKNOWN]
    return tuple(
        np.array([numbers.get(word, unknown) for word in words_of(text)] or [unknown], np.int32) for text in texts
    )


def read_vocabulary(path: Path) -> tuple[str, ...]:
    """Read what each token stands for: a line a token, from 0 on, as `write_vocabulary` writes it.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not UTF-8, or no vocabulary; the message says why.
    """
    *words, rest = path.read_text("utf-8").split("\n")
    if rest or words[:2] != [PADDING, UNKNOWN]:
        raise ValueError(f"is not a vocabulary: its lines must be empty, {UNKNOWN}, then a word each")
    return tuple(words)


def write_vocabulary(path: Path, vocabulary: tuple[str, ...]) -> Path:
    """Write a word a line, token 0 first, as UTF-8; the first line, for padding, is empty."""
    path.write_text("".join(f"{word}\n" for word in vocabulary), "utf-8")
    return path
