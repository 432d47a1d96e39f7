"""Which Keras models can be served at all, and a copy that serves."""

import keras
from keras import layers

from carousel_models.export.keras_file import parts_of
from carousel_models.refusals import ExportRefused


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
        if part.compute_dtype not in {"float32", None}:
            raise ExportRefused(
                f"layer {part.name!r} computes in {part.compute_dtype}: only float32 is served; build the model under "
                "keras.config.set_dtype_policy('float32') and load the weights"
            )
    if not any(isinstance(part, layers.LSTM | layers.LSTMCell) for part in parts):
        raise ExportRefused(f"model {model.name!r} has no LSTM layer; Carousel serves LSTMs")
    _refuse_shapes(model)


def stateless_clone(model: keras.Model) -> keras.Model:
    """Copy a model that rides whole, without states of its own and without training's dropout.

    Raises:
        ExportRefused: Keras cannot copy it.
    """
    try:
        clone = keras.models.clone_model(model)
    except (TypeError, ValueError) as error:
        raise ExportRefused(
            f"the model cannot be copied: {error}; register what is your own with "
            "@keras.saving.register_keras_serializable()"
        ) from error
    clone.set_weights(model.get_weights())
    for part in parts_of(clone):
        if isinstance(part, layers.RNN):
            part.stateful = False
        # Even at inference recurrent_dropout draws random numbers in a graph.
        for name in ("dropout", "recurrent_dropout"):
            if isinstance(part, layers.LSTMCell | layers.GRUCell | layers.SimpleRNNCell):
                setattr(part, name, 0.0)
    return clone


def _refuse_shapes(model: keras.Model) -> None:
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ExportRefused(
            f"the model has {len(model.inputs)} inputs and {len(model.outputs)} outputs: one of each is served; "
            "export a keras.Model of one input and one output"
        )
    (taken,), (given,) = model.inputs, model.outputs
    if len(taken.shape) != 3 or taken.shape[2] is None or taken.dtype != "float32":
        raise ExportRefused(
            f"the model takes {taken.dtype} {list(taken.shape)}: expected float32 [batch, timesteps, input_dim] with a "
            "known input_dim; leave an Embedding out of the model and send its vectors"
        )
    if len(given.shape) not in (2, 3) or given.shape[-1] is None or given.dtype != "float32":
        raise ExportRefused(
            f"the model gives {given.dtype} {list(given.shape)}: expected float32 [batch, units] or "
            "[batch, timesteps, units]"
        )
    if len(given.shape) == 3 and given.shape[1] != taken.shape[1]:
        raise ExportRefused(
            f"the model gives {list(given.shape)} for {list(taken.shape)}: expected one output for every timestep or "
            "[batch, units]; end the model in keras.layers.Flatten() and reshape the answer"
        )
