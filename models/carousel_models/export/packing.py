"""A model of several inputs or outputs as one of one each: their features stand side by side."""

from collections.abc import Sequence

import keras
from keras import layers

from carousel.artifact import Part
from carousel_models.refusals import ExportRefused


def packed(
    model: keras.Model, input_names: Sequence[str] = (), output_names: Sequence[str] = ()
) -> tuple[keras.Model, tuple[Part, ...], tuple[Part, ...]]:
    """Put all inputs into one, [batch, timesteps, input_dim], and all outputs into one.

    An input without timesteps, [batch, features], is read from the last timestep: whoever sends a sequence repeats it
    at every timestep.

    Args:
        model: A model of any number of inputs and outputs; it is not changed.
        input_names: What its inputs are called; as the model itself calls them where none are given.
        output_names: The same of its outputs.

    Returns:
        The model itself where it has one of each, or one around it; and its inputs and outputs, in their order.

    Raises:
        ExportRefused: They cannot stand side by side.
    """
    inputs = tuple(
        _part(name, x, taken=True) for name, x in zip(input_names or _names(model), model.inputs, strict=True)
    )
    names = output_names or getattr(model, "output_names", [model.layers[-1].name])
    outputs = tuple(_part(name, x) for name, x in zip(names, model.outputs, strict=True))
    if len(inputs) == len(outputs) == 1:
        return model, inputs, outputs
    if (
        len({len(x.shape) for x in model.outputs}) > 1
        or len({x.shape[1] for x in model.outputs if len(x.shape) > 2}) > 1
    ):
        raise ExportRefused(
            "the model gives a sequence beside what is no sequence of as many timesteps: "
            f"{', '.join(f'{part.name} {list(x.shape)}' for part, x in zip(outputs, model.outputs, strict=True))}; "
            "export one keras.Model for each"
        )
    return _around(model, inputs), inputs, outputs


def _names(model: keras.Model) -> list[str]:
    return [x.name for x in model.inputs]


def _around(model: keras.Model, inputs: tuple[Part, ...]) -> keras.Model:
    if len(inputs) == 1:
        taken = keras.Input(batch_shape=model.inputs[0].shape, dtype=model.inputs[0].dtype)
        pieces = [taken]
    else:
        refused = [x for x in model.inputs if len(x.shape) not in (2, 3) or x.shape[-1] is None or x.dtype != "float32"]
        sequences = {x.shape[:2] for x in model.inputs if len(x.shape) == 3}
        if refused or len(sequences) != 1:
            raise ExportRefused(
                f"the model takes {', '.join(f'{x.name} {x.dtype} {list(x.shape)}' for x in model.inputs)}: expected "
                "sequences float32 [batch, timesteps, input_dim] of one length, and features [batch, features] beside"
            )
        taken = keras.Input(batch_shape=(*sequences.pop(), sum(part.width for part in inputs)))
        pieces, begin = [], 0
        for part in inputs:
            end = begin + part.width
            pieces.append(taken[:, :, begin:end] if part.timewise else taken[:, -1, begin:end])
            begin = end
    given = keras.tree.flatten(model(keras.tree.pack_sequence_as(model._inputs_struct, pieces)))  # noqa: SLF001
    return keras.Model(taken, layers.Concatenate()(given) if len(given) > 1 else given[0], name=model.name)


def _part(name: str, tensor: keras.KerasTensor, *, taken: bool = False) -> Part:
    dtype = "float32" if tensor.dtype == "bfloat16" else tensor.dtype  # which numpy does not know
    tokens = taken and len(tensor.shape) == 2 and (tensor.shape[1] is None or dtype.startswith("int"))
    return Part(
        name=name,
        width=1 if tokens else tensor.shape[-1] or 0,
        timewise=tokens or len(tensor.shape) > 2,
        dtype=dtype,
        shape=tuple(tensor.shape),
    )
