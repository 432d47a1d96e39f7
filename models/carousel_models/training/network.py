"""The Keras layers that a recipe says."""

from collections.abc import Callable
from typing import Any

import keras

from carousel_models.recipe import Fit, Named, Recipe, Recurrent, Weights
from carousel_models.refusals import RecipeRefused

_GET: dict[str, Callable[[Any], Any]] = {
    "activation": keras.activations.get,
    "initializer": keras.initializers.get,
    "regularizer": keras.regularizers.get,
    "constraint": keras.constraints.get,
}


def layers_of(recipe: Recipe) -> list[keras.layers.Layer]:
    """Make the layers of the stack, all but the last returning sequences, and the Dense heads after them.

    Raises:
        RecipeRefused: Keras knows no activation, initializer, regularizer or constraint of a name that the recipe says.
    """
    names = iter(recipe.layer_names)
    last = len(recipe.stack) - 1
    return [
        *(_recurrent(f"stack[{i}]", layer, next(names), sequences=i < last) for i, layer in enumerate(recipe.stack)),
        *(
            keras.layers.Dense(**_arguments(f"heads[{i}]", head) | {"name": next(names)})
            for i, head in enumerate(recipe.heads)
        ),
    ]


def _recurrent(place: str, layer: Recurrent, name: str, *, sequences: bool) -> keras.layers.Layer:
    make = getattr(keras.layers, layer.layer)
    made = make(**_arguments(place, layer) | {"name": name, "return_sequences": sequences})
    return keras.layers.Bidirectional(made, name=name) if layer.bidirectional else made


def compiled(model: keras.Model, fit: Fit) -> keras.Model:
    """Give `model` the loss and the optimizer that the recipe says.

    Beside the loss, which counts the penalties of regularizers, it measures `error`: the same loss without them. That
    alone can be compared between models.

    Raises:
        RecipeRefused: Keras knows no loss or optimizer of that name, or it does not take that config.
    """
    loss = _made("fit.loss", fit.loss, keras.losses.get)
    model.compile(
        loss=loss,
        optimizer=_made("fit.optimizer", fit.optimizer, keras.optimizers.get),
        metrics=[keras.metrics.MeanMetricWrapper(getattr(loss, "call", loss), name="error")],
        # XLA would compile anew for every length of sequence.
        jit_compile=False,
    )
    return model


def _arguments(place: str, layer: Weights) -> dict[str, Any]:
    return {
        key: _made(f"{place}.{key}", value, _GET[key.rsplit("_", 1)[-1]]) if isinstance(value, Named) else value
        for key, value in layer.said.items()
    }


def _made(place: str, named: Named, get: Callable[[Any], Any]) -> Any:
    try:
        return get(named.identifier)
    except (TypeError, ValueError) as error:
        kind = place.rsplit(".", 1)[-1].rsplit("_", 1)[-1]
        raise RecipeRefused(
            f"{place}: Keras makes no {kind} of {named.identifier!r}: "
            "check class_name and config against the Keras manual"
        ) from error
