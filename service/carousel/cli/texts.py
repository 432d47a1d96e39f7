"""Texts from files as tokens, for the commands that send them."""

import sys
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from carousel.cli.arrays import FileRefused


def read_texts(path: Path, vocabulary: Path) -> list[NDArray[Any]]:
    """Read a text from each line of a file, or of standard input for "-", as the tokens of its words, int32 [words].

    Args:
        path: UTF-8 text.
        vocabulary: The vocabulary that the model was trained with, or the folder of its version.

    Raises:
        FileRefused: One of them cannot be read, or is something else.
    """
    from carousel.artifact import VOCABULARY, read_vocabulary, tokens_of  # noqa: PLC0415 - only texts need it

    if vocabulary.is_dir():
        vocabulary /= VOCABULARY
    try:
        words = read_vocabulary(vocabulary)
    except (ValueError, OSError) as error:
        raise FileRefused(f"{vocabulary}: {_because(error)}") from error
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text("utf-8-sig")
    except (ValueError, OSError) as error:
        raise FileRefused(f"{path}: {_because(error)}") from error
    lines = text.removesuffix("\n").split("\n") if text else []
    if not lines:
        raise FileRefused(f"{path}: expected a text in each line, found none")
    return list(tokens_of(lines, words))


def _because(error: Exception) -> object:
    return error.strerror if isinstance(error, OSError) and error.strerror else error
