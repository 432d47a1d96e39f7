"""What Keras answers to a few sequences, recorded at export."""

import itertools

import keras
import numpy as np

from carousel.artifact import LAST_STEP, SEQUENCE, Golden, disagreement
from carousel.tensors import Floats
from carousel_models.export.saved import Served
from carousel_models.refusals import ExportRefused

_SEED = 20251123


def golden_answers(model: keras.Model, served: Served, *, in_chunks: bool) -> tuple[Golden, ...]:
    """Record what `served` answers, and that it is what `model` answers.

    Args:
        model: The user's own model, left as it is.
        served: The same as it will be written.
        in_chunks: Whether any number of timesteps will do, whatever `model` says.

    Raises:
        ExportRefused: They differ, or the model answers nothing finite.
    """
    timesteps, input_dim = model.inputs[0].shape[1:]
    rng = np.random.default_rng(_SEED)
    center, spread = _range_of(model, input_dim)
    answers = []
    for length in _lengths(timesteps, in_chunks=in_chunks):
        inputs = (center + spread * rng.standard_normal((length, input_dim))).astype(np.float32)
        given = {name: value.numpy()[0] for name, value in served.answer(inputs[None]).items()}
        # An untrained model may grow without bound on long sequences, and then nothing can be compared.
        if not all(np.isfinite(value).all() for value in given.values()):
            continue
        if length == timesteps or timesteps is None:
            _compare(model, inputs, given)
        answers.append(Golden(inputs, given.get(SEQUENCE), given[LAST_STEP]))
    if not answers:
        raise ExportRefused(
            "the model answers NaN or infinity to inputs of its own range: train it, or look at its weights"
        )
    return tuple(answers)


def _lengths(timesteps: int | None, *, in_chunks: bool) -> list[int]:
    if not in_chunks:
        return [timesteps] if timesteps else [16, 40]
    return sorted({1, 2, 7, timesteps or 40})


def _compare(model: keras.Model, inputs: Floats, given: dict[str, Floats]) -> None:
    batch = model.inputs[0].shape[0] or 1
    stateful = [layer for layer in model.layers if getattr(layer, "stateful", False)]
    for layer in stateful:
        layer.stateful = False
    try:
        own = keras.ops.convert_to_numpy(model(np.repeat(inputs[None], batch, axis=0), training=False))[0]
    finally:
        for layer in stateful:
            layer.stateful = True
    fault = disagreement(given[SEQUENCE if own.ndim == 2 else LAST_STEP], own)
    if fault:
        raise ExportRefused(
            f"the exported graph does not answer as the model does: of {len(inputs)} timesteps, {fault}"
        )


def _range_of(model: keras.Model, input_dim: int) -> tuple[Floats, Floats]:
    """Find where the model's inputs lie: what its first layer takes to about zero and one."""
    zero, one = np.zeros(input_dim, np.float32), np.ones(input_dim, np.float32)
    first = next(itertools.dropwhile(lambda layer: isinstance(layer, keras.layers.InputLayer), model.layers), None)
    if isinstance(first, keras.layers.Normalization) and not first.invert and np.size(first.mean) in (1, input_dim):
        return zero + np.reshape(first.mean, -1), one * np.sqrt(np.reshape(first.variance, -1))
    if isinstance(first, keras.layers.Rescaling) and np.ndim(first.scale) < 2 and np.all(first.scale):
        return (zero - first.offset) / first.scale, one / first.scale
    return zero, one
