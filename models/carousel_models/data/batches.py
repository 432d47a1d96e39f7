"""Examples in batches of one length: nothing is padded, so a model needs no mask to be trained exactly."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from carousel_models.data.examples import Examples


@dataclass(slots=True)
class Shuffle:
    """Another order for every epoch, decided by the seed and the epoch alone: a fit may begin with any of them."""

    seed: int
    epoch: int = 0

    @property
    def chance(self) -> np.random.Generator:
        """The epoch's own random numbers."""
        return np.random.default_rng((self.seed, self.epoch))


def batches_of(examples: Examples, batch_size: int, shuffle: Shuffle | None = None) -> tf.data.Dataset:
    """Batch `examples` by equal length.

    Args:
        examples: What to batch.
        batch_size: The most examples of a batch; a length's last batch may be smaller.
        shuffle: Orders examples and batches at every pass; None keeps them in order of length.

    Returns:
        Batches of inputs [batch, timesteps, ...] and targets [batch, ...].
    """

    def passes() -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        for rows in _rows(examples, batch_size, None if shuffle is None else shuffle.chance):
            yield examples.stacked(rows), examples.targets[rows]

    first = examples.inputs[0]
    inputs = tf.TensorSpec((None, None, *first.shape[1:]), first.dtype)
    outputs = tf.TensorSpec((None, *examples.targets.shape[1:]), examples.targets.dtype)
    dataset = tf.data.Dataset.from_generator(passes, output_signature=(inputs, outputs))
    count = sum(-(-len(rows) // batch_size) for rows in examples.by_length)
    return dataset.apply(tf.data.experimental.assert_cardinality(count)).prefetch(1)


def _rows(examples: Examples, batch_size: int, chance: np.random.Generator | None) -> list[NDArray[np.int64]]:
    batches = []
    for rows in examples.by_length:
        if chance is not None:
            chance.shuffle(rows)
        batches += [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    if chance is not None:
        batches = [batches[i] for i in chance.permutation(len(batches))]
    return batches
