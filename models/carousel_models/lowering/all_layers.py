"""Imports every family of layers, so that each registers what it writes."""

from carousel_models.lowering import (
    attention,
    bidirectional,
    convolution,
    elementwise,
    embedding,
    merging,
    normalisation,
    operations,
    pooling,
    recurrent,
    shaping,
    slicing,
    wrappers,
)

__all__ = [
    "attention",
    "bidirectional",
    "convolution",
    "elementwise",
    "embedding",
    "merging",
    "normalisation",
    "operations",
    "pooling",
    "recurrent",
    "shaping",
    "slicing",
    "wrappers",
]
