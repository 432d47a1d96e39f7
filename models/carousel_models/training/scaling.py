"""Means and deviations of the training split, as layers of the model."""

import keras
import numpy as np

from carousel.tensors import Floats


def moments(rows: Floats) -> tuple[Floats, Floats]:
    """Give mean and variance of every column, float32, summed in float64: `Normalization.adapt` sums in float32.

    A column that never varies has no deviation to be measured in: its variance is given as 1.
    """
    variance = rows.var(axis=0, dtype=np.float64)
    return rows.mean(axis=0, dtype=np.float64).astype(np.float32), np.where(variance > 0, variance, 1).astype(
        np.float32
    )


def to_deviations(mean: Floats, variance: Floats) -> keras.layers.Layer:
    """Make the layer that gives raw numbers in standard deviations from their mean."""
    return keras.layers.Normalization(mean=mean, variance=variance, name="scaled")


def to_raw_units(mean: Floats, variance: Floats) -> keras.layers.Layer:
    """Make the layer that turns standard deviations back into raw numbers."""
    return keras.layers.Normalization(mean=mean, variance=variance, invert=True, name="raw_units")
