"""Labelled sequences, each of its own length, as the package `aeon` carries them."""

import numpy as np
from numpy.typing import NDArray

from carousel.tensors import Floats
from carousel_models.data.examples import Examples, Splits
from carousel_models.recipe import AeonSource
from carousel_models.refusals import SourceRefused


def labelled_splits(source: AeonSource, seed: int) -> Splits:
    """Load the dataset of `source`; the package's own test sequences judge the model.

    Args:
        source: Which dataset, and how much of every class' training sequences is held for validation.
        seed: Draws which ones are.

    Raises:
        SourceRefused: The package is not installed, or a class has too few sequences to hold any for validation.
    """
    sequences, labels = _load(source, "train")
    classes, targets = np.unique(labels, return_inverse=True)
    held = _held(targets, source, np.random.default_rng(seed))

    def examples(sequences: list[Floats], targets: NDArray[np.int64]) -> Examples:
        return Examples(tuple(sequences), targets, np.arange(1, len(targets) + 1))

    test_sequences, test_labels = _load(source, "test")
    return Splits(
        "classify",
        tuple(map(str, classes)),
        train=examples([sequences[i] for i in np.flatnonzero(~held)], targets[~held]),
        validation=examples([sequences[i] for i in np.flatnonzero(held)], targets[held]),
        test=examples(test_sequences, np.searchsorted(classes, test_labels)),
    )


def _load(source: AeonSource, split: str) -> tuple[list[Floats], NDArray[np.str_]]:
    try:
        from aeon import datasets  # noqa: PLC0415 - an optional extra, and slow to import
    except ImportError as error:
        raise SourceRefused(
            f"source.dataset {source.dataset!r} comes from the package aeon, which is not installed: "
            "install lstm-carousel[vowels]"
        ) from error
    sequences, labels = getattr(datasets, f"load_{source.dataset}")(split=split)
    # aeon writes [input_dim, timesteps]; Keras reads [timesteps, input_dim].
    return [np.ascontiguousarray(sequence.T, np.float32) for sequence in sequences], labels


def _held(targets: NDArray[np.int64], source: AeonSource, chance: np.random.Generator) -> NDArray[np.bool_]:
    held = np.zeros(len(targets), bool)
    for target in np.unique(targets):
        members = np.flatnonzero(targets == target)
        count = round(len(members) * source.validation)
        if not 0 < count < len(members):
            raise SourceRefused(
                f"source.validation {source.validation} holds {count} of the {len(members)} sequences of a class: "
                "choose a fraction that leaves some on both sides"
            )
        held[chance.permutation(members)[:count]] = True
    return held
