"""Which Keras models can be served at all."""

import keras
import numpy as np
from keras import layers

from carousel.artifact import TOLERANCE, distance
from carousel_models.export.dtypes import computed_in, other_floats
from carousel_models.export.keras_file import parts_of
from carousel_models.export.running import run
from carousel_models.export.samples import Range, min_timesteps, range_of
from carousel_models.refusals import ExportRefused

_PRECISION = {"float64": TOLERANCE, "float16": 2e-2, "bfloat16": 1e-1}
"""How far an answer in float32 may be from one in each type: some tens of roundings."""

_FLOATS = {"float32", *_PRECISION}

_RECURRENT = (layers.RNN, layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell)


def refuse_unservable(model: keras.Model) -> None:
    """Refuse a model that Carousel cannot serve even whole.

    Raises:
        ExportRefused: Says what to change.
    """
    if keras.backend.backend() != "tensorflow":
        raise ExportRefused(f"Keras runs on {keras.backend.backend()!r}: set KERAS_BACKEND=tensorflow to export")
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise ExportRefused(
            f"{type(model).__name__} is no Sequential or functional model with known shapes: build it from layers, "
            "with keras.layers.Input((timesteps, input_dim)) first"
        )
    parts = list(parts_of(model))
    for part in parts:
        if getattr(part, "quantization_mode", None) is not None:
            raise ExportRefused(
                f"layer {part.name!r} is quantised to {part.quantization_mode}: only float32 is served; export the "
                "model as it was before model.quantize()"
            )
        if part.compute_dtype == "string":
            raise ExportRefused(
                f"layer {part.name!r} reads text: only numbers are served; leave it out of the model and send the "
                "tokens that it gives"
            )
    if not any(isinstance(part, _RECURRENT) for part in parts):
        raise ExportRefused(f"model {model.name!r} has no recurrent layer; Carousel serves LSTMs and their kin")


def refuse_batch_dependent(model: keras.Model, inputs: Range, timesteps: int) -> None:
    """Refuse a model whose answer to a sequence depends on which others share its batch.

    Raises:
        ExportRefused: It does, by more than float32 rounds.
    """
    if model.inputs[0].shape[0] is not None:
        return
    rng = np.random.default_rng(1)
    sequences = np.stack([inputs.draw(rng, timesteps) for _ in range(3)])
    together, alone = run(model, sequences), run(model, sequences[:1])
    if together.shape[0] != 3 or distance(together[0], alone[0]) > 10 * TOLERANCE:
        raise ExportRefused(
            "the model's answer to a sequence depends on the others in its batch, so it has no answer of its own: look "
            "for an operation along axis 0"
        )


def in_float32(model: keras.Model) -> tuple[keras.Model, str]:
    """Give the model as it is served, in float32, and the name of the type that it computes in itself.

    Raises:
        ExportRefused: It cannot be copied so, or answers differently by more than its own type can tell.
    """
    others = other_floats(model)
    if not others:
        return model, "float32"
    coarsest = max(others, key=lambda dtype: _PRECISION[dtype])
    try:
        copy = computed_in(model, "float32")
    except Exception as error:  # Keras raises whatever its layers raise
        raise ExportRefused(
            f"the model computes in {', '.join(sorted(others))}, and cannot be copied to float32: {error}; build it "
            "under keras.config.set_dtype_policy('float32') and load the weights"
        ) from error
    rng = np.random.default_rng(2)
    inputs = range_of(copy)
    sequence = inputs.draw(rng, min_timesteps(copy, inputs) or 1)[None]
    apart = distance(run(copy, sequence), run(model, sequence).astype(np.float32))
    if not apart <= _PRECISION[coarsest]:
        raise ExportRefused(
            f"the model computes in {coarsest}; in float32, which is what is served, it answers otherwise by "
            f"{apart:.0e} of its largest value"
        )
    return copy, coarsest


def refuse_shapes(model: keras.Model) -> None:
    """Refuse a model of one input and one output whose shapes are not served.

    Raises:
        ExportRefused: Says which are.
    """
    (taken,), (given,) = model.inputs, model.outputs
    tokens = len(taken.shape) == 2 and (taken.dtype in {"int32", "int64"} or _only_embedded(model))
    vectors = len(taken.shape) == 3 and taken.shape[2] is not None and taken.dtype in _FLOATS
    if not tokens and not vectors:
        raise ExportRefused(
            f"the model takes {taken.dtype} {list(taken.shape)}: expected float32 [batch, timesteps, input_dim] with a "
            "known input_dim, or tokens [batch, timesteps] of int32 or int64"
        )
    if len(given.shape) not in (2, 3) or given.shape[-1] is None or given.dtype not in _FLOATS:
        raise ExportRefused(
            f"the model gives {given.dtype} {list(given.shape)}: expected float32 [batch, units] or "
            "[batch, timesteps, units]; end the model in keras.layers.Flatten() and reshape the answer"
        )


def _only_embedded(model: keras.Model) -> bool:
    """Whether numbers [batch, timesteps] are tokens: Embedding layers alone read them, and what makes their masks."""
    function = getattr(model, "_functional", model)
    (taken,) = model.inputs
    readers = [op for op in function.operations if not isinstance(op, layers.InputLayer) and _reads(op, taken)]
    embedded = [isinstance(op, layers.Embedding) for op in readers]
    masks = [type(op).__name__ == "NotEqual" for op in readers]
    return any(embedded) and all(map(any, zip(embedded, masks, strict=True)))


def _reads(operation: keras.Operation, tensor: keras.KerasTensor) -> bool:
    return any(tensor is x for node in operation._inbound_nodes for x in node.input_tensors)  # noqa: SLF001
