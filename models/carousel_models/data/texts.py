"""A column of text and one of labels, as tokens to classify."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carousel.artifact import tokens_of
from carousel_models.data.common_words import vocabulary_of
from carousel_models.data.examples import Examples, Splits
from carousel_models.data.fields import names_of
from carousel_models.data.files import chunks_of, paths_of
from carousel_models.recipe import TextSource
from carousel_models.refusals import SourceRefused


def text_splits(source: TextSource, folder: Path, seed: int) -> Splits:
    """Read the files of `source` and deal the texts of each label to the splits by chance.

    The vocabulary is that of the training texts alone.

    Args:
        source: Which files and columns, and how much of every label's texts validates and tests.
        folder: Where the files lie.
        seed: Decides which texts do.

    Raises:
        SourceRefused: A file or a cell is not what it should be, or a label has too few texts for three splits.
    """
    texts, labels = _read(source, folder)
    classes, targets = np.unique(labels, return_inverse=True)
    dealt = _deal(source, folder, targets, [str(each) for each in classes], np.random.default_rng(seed))
    vocabulary = vocabulary_of(texts[dealt["train"]], source.vocabulary)
    train, validation, test = (
        Examples(tokens_of(texts[rows], vocabulary), targets[rows], rows + 1) for rows in dealt.values()
    )
    return Splits("classify", tuple(map(str, classes)), train, validation, test, vocabulary=vocabulary)


def _read(source: TextSource, folder: Path) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    chunks = [chunk for path in paths_of(source, folder) for chunk in chunks_of(path, source)]
    remedy = "fill it, or remove the row"
    texts, labels = (
        np.concatenate([names_of(chunk, column, remedy) for chunk in chunks]) for column in (source.text, source.label)
    )
    return texts, labels.astype(str)


def _deal(
    source: TextSource, folder: Path, targets: NDArray[np.int64], labels: list[str], chance: np.random.Generator
) -> dict[str, NDArray[np.int64]]:
    dealt: dict[str, list[NDArray[np.int64]]] = {"train": [], "validation": [], "test": []}
    for target, label in enumerate(labels):
        rows = chance.permutation(np.flatnonzero(targets == target))
        test, validation = round(len(rows) * source.test), round(len(rows) * source.validation)
        if not (test and validation and test + validation < len(rows)):
            raise SourceRefused(
                f"{folder / source.file}: label {label!r} has {len(rows)} texts, too few for validation "
                f"{source.validation} and test {source.test}: give more texts, or other fractions"
            )
        dealt["test"].append(rows[:test])
        dealt["validation"].append(rows[test : test + validation])
        dealt["train"].append(rows[test + validation :])
    return {split: np.sort(np.concatenate(parts)) for split, parts in dealt.items()}
