"""Sequences that a model is tried with: of its own range, so that its answers say something."""

import itertools
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from carousel.tensors import Floats, Samples
from carousel_models.export.running import run
from carousel_models.lowering import input_dtype

_SMALL_VOCABULARY = 2
_LONGEST_TRIED = 512
_MASKED = 0.25  # of the timesteps drawn for a model of tokens, or one that begins with Masking


@dataclass(frozen=True, slots=True)
class Range:
    """Where a model's inputs lie.

    Attributes:
        dtype: Of a sequence.
        vocabulary: For tokens, how many there are; None for vectors, and where it is not known.
        center, spread: For vectors, float32 [input_dim] each: what the first layer takes to about zero and one.
        masked: The value of a timestep that Masking leaves out; None where the model does not begin so.
    """

    dtype: str
    vocabulary: int | None
    center: Floats
    spread: Floats
    masked: float | None

    def draw(self, rng: np.random.Generator, timesteps: int) -> Samples:
        """Draw one sequence, [timesteps, ...]."""
        if self.dtype != "float32":
            tokens = rng.integers(0, self.vocabulary or _SMALL_VOCABULARY, timesteps, self.dtype)
            tokens[rng.random(timesteps) < _MASKED] = 0
            return tokens
        shape = (timesteps, len(self.center))
        inputs = (self.center + self.spread * rng.standard_normal(shape)).astype(np.float32)
        if self.masked is not None:
            inputs[rng.random(timesteps) < _MASKED] = self.masked
        return inputs


def range_of(model: keras.Model) -> Range:
    """Find where the inputs of a model of one input lie."""
    (taken,) = model.inputs
    dtype = input_dtype(model)
    if dtype != "float32":
        return Range(dtype, _vocabulary(model), np.empty(0, np.float32), np.empty(0, np.float32), None)
    input_dim = taken.shape[2]
    zero, one = np.zeros(input_dim, np.float32), np.ones(input_dim, np.float32)
    first: Any = next(itertools.dropwhile(lambda layer: isinstance(layer, layers.InputLayer), model.layers), None)
    masked = float(first.mask_value) if isinstance(first, layers.Masking) else None
    if isinstance(first, layers.Normalization) and not first.invert and np.size(first.mean) in (1, input_dim):
        return Range(
            dtype, None, zero + np.reshape(first.mean, -1), one * np.sqrt(np.reshape(first.variance, -1)), None
        )
    if isinstance(first, layers.Rescaling) and np.ndim(first.scale) < 2 and np.all(first.scale):
        return Range(dtype, None, (zero - first.offset) / first.scale, one / first.scale, None)
    return Range(dtype, None, zero, one, masked)


def min_timesteps(model: keras.Model, inputs: Range) -> int | None:
    """Find the shortest sequence that a whole model answers; None where it answers none that was tried."""
    fixed = model.inputs[0].shape[1]
    if fixed is not None:
        return int(fixed)
    rng = np.random.default_rng(0)
    return next((n for n in range(1, _LONGEST_TRIED + 1) if answers(model, inputs.draw(rng, n))), None)


def answers(model: keras.Model, sequence: Samples) -> bool:
    """Whether a model gives at least one number to a sequence of this length."""
    try:
        return run(model, sequence[None]).size > 0
    except Exception:  # noqa: BLE001 - Keras raises whatever its layers raise
        return False


def _vocabulary(model: keras.Model) -> int | None:
    """Say how many tokens the Embedding layers have that read the model's input itself."""
    (taken,) = model.inputs
    function = getattr(model, "_functional", model)
    sizes = [
        operation.input_dim
        for operation in function.operations
        if isinstance(operation, layers.Embedding) and operation.input is taken
    ]
    return min(sizes, default=None)
