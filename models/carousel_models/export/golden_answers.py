"""What Keras answers to a few sequences, recorded at export."""

from collections.abc import Sequence

import keras
import numpy as np

from carousel.artifact import LAST_STEP, SEQUENCE, TOLERANCE, Golden, disagreement, distance
from carousel.tensors import Floats, Samples
from carousel_models.export.exact import Exact
from carousel_models.export.running import run
from carousel_models.export.samples import Range
from carousel_models.export.saved import Served
from carousel_models.refusals import ExportRefused

_SEED = 20251123


def golden_answers(
    model: keras.Model, served: Served, exact: Exact | None, inputs: Range, lengths: Sequence[int]
) -> tuple[Golden, ...]:
    """Record what `served` answers, and that it is what `model` answers.

    Args:
        model: The user's own model, left as it is.
        served: The same as it will be written.
        exact: The same in float64, whose answers are recorded; None where there is none, and `served` is trusted.
        inputs: Where the model's inputs lie.
        lengths: Timesteps of each; the first has to be answered.

    Raises:
        ExportRefused: They differ, or the model answers nothing finite.
    """
    timesteps = model.inputs[0].shape[1]
    rng = np.random.default_rng(_SEED)
    answers = []
    for length in lengths:
        sequence = inputs.draw(rng, length)
        try:
            given = {name: value.numpy()[0] for name, value in served.answer(sequence[None]).items()}
        except Exception as error:  # whatever TensorFlow raises: not every length above the least may do
            if length == lengths[0]:
                raise ExportRefused(f"the exported graph cannot answer {length} timesteps: {error}") from error
            continue
        truth = given if exact is None else exact.answer(sequence)
        # An untrained model may grow without bound on long sequences, and then nothing can be compared.
        if not all(np.isfinite(value).all() for value in (*given.values(), *truth.values())):
            continue
        _compare(model if timesteps in {None, length} else None, sequence, given, truth)
        answers.append(Golden(sequence, truth.get(SEQUENCE), truth[LAST_STEP]))
    if not answers:
        raise ExportRefused(
            "the model answers NaN or infinity to inputs of its own range: train it, or look at its weights"
        )
    return tuple(answers)


def lengths_tried(timesteps: int | None, least: int, *, stepwise: bool) -> list[int]:
    """Say which lengths are recorded, of a model that takes `timesteps`, or where that is None any from `least` on."""
    if timesteps is not None:
        return [timesteps]
    return [1, 2, 7, 40] if stepwise else sorted({least, max(least, 16), max(least, 40)})


def _compare(model: keras.Model | None, sequence: Samples, given: dict[str, Floats], truth: dict[str, Floats]) -> None:
    """Check that what is served answers as Keras does: as near to it, or to the truth, as float32 is on this model."""
    allowed = TOLERANCE
    if model is not None:
        own = run(model, sequence[None])[0]
        name = SEQUENCE if own.ndim == 2 else LAST_STEP
        allowed = max(TOLERANCE, 2 * distance(own, truth[name]))
        fault = disagreement(given[name], own, allowed)
        if fault:
            raise ExportRefused(
                f"the exported graph does not answer as the model does: of {len(sequence)} timesteps, {fault}"
            )
