"""Means and deviations of the training split, as layers of the model."""

from collections.abc import Iterable

import keras
import numpy as np

from carousel.tensors import Floats


def moments(chunks: Iterable[Floats]) -> tuple[Floats, Floats]:
    """Give mean and variance of every column over all chunks [rows, columns], float32.

    They are summed in float64, as `Normalization.adapt` does not; chunks are joined by the formula of Chan, Golub and
    LeVeque (1979). A column that never varies has no deviation to be measured in: its variance is given as 1.
    """
    count, mean, squares = 0, np.zeros(1), np.zeros(1)
    for chunk in chunks:
        more = len(chunk)
        apart = chunk.mean(axis=0, dtype=np.float64) - mean
        squares = squares + chunk.var(axis=0, dtype=np.float64) * more + apart**2 * (count * more / (count + more))
        mean = mean + apart * (more / (count + more))
        count += more
    variance = squares / count
    return mean.astype(np.float32), np.where(variance > 0, variance, 1).astype(np.float32)


def to_deviations(mean: Floats, variance: Floats) -> keras.layers.Layer:
    """Make the layer that gives raw numbers in standard deviations from their mean."""
    return keras.layers.Normalization(mean=mean, variance=variance, name="scaled")


def to_raw_units(mean: Floats, variance: Floats) -> keras.layers.Layer:
    """Make the layer that turns standard deviations back into raw numbers."""
    return keras.layers.Normalization(mean=mean, variance=variance, invert=True, name="raw_units")
