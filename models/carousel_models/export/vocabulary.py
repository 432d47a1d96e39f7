"""The words of a model of tokens, beside it in its version."""

from pathlib import Path

from carousel.artifact import VOCABULARY
from carousel_models.refusals import ExportRefused


def write_asset(folder: Path, vocabulary: Path, tokens: int | None) -> None:
    """Copy the file `vocabulary`, a line for each of `tokens` from 0 on, into the version's folder.

    Raises:
        ExportRefused: It cannot be read as UTF-8, the model takes no tokens, or it takes more or fewer than there are
            lines.
    """
    try:
        text = vocabulary.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ExportRefused(f"{vocabulary}: cannot be read as UTF-8 text: {error}") from error
    if tokens is None:
        raise ExportRefused(f"{vocabulary}: the model takes numbers and no tokens: leave the vocabulary out")
    lines = text.count("\n")
    if lines != tokens:
        raise ExportRefused(
            f"{vocabulary}: has {lines} lines, and the model's Embedding {tokens} tokens: give the vocabulary that "
            "it was trained with, a line a token"
        )
    path = folder / VOCABULARY
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
