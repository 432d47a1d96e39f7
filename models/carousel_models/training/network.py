"""The Keras layers that a recipe says."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from carousel_models.data.examples import Splits
from carousel_models.recipe import Embedding, Fit, Named, Recipe, Recurrent, Weights
from carousel_models.refusals import RecipeRefused

_GET: dict[str, Callable[[Any], Any]] = {
    "activation": keras.activations.get,
    "initializer": keras.initializers.get,
    "regularizer": keras.regularizers.get,
    "constraint": keras.constraints.get,
}


def layers_of(recipe: Recipe) -> list[keras.layers.Layer]:
    """Make the layers of the stack, all but the last returning sequences, and the Dense heads after them.

    A decoder stands between them: it reads the stack's answer once for each horizon.

    Raises:
        RecipeRefused: Keras knows no activation, initializer, regularizer or constraint of a name that the recipe says.
    """
    names = iter(recipe.layer_names[1:] if recipe.embedding else recipe.layer_names)
    policy, last = recipe.fit.dtype_policy, len(recipe.stack) - 1
    decoder: list[keras.layers.Layer] = []
    stack = [
        _recurrent(f"stack[{i}]", layer, next(names), policy, sequences=i < last)
        for i, layer in enumerate(recipe.stack)
    ]
    if recipe.decoder:
        decoder = [
            keras.layers.RepeatVector(recipe.horizons, name="for_each_horizon"),
            *(
                _recurrent(f"decoder[{i}]", layer, next(names), policy, sequences=True)
                for i, layer in enumerate(recipe.decoder)
            ),
        ]
    # An answer in half precision would be rounded more than it need be, so the last layer computes in float32.
    policies = [*[policy] * (len(recipe.heads) - 1), "float32"]
    heads = [
        keras.layers.Dense(**_arguments(f"heads[{i}]", head) | {"name": next(names), "dtype": policies[i]})
        for i, head in enumerate(recipe.heads)
    ]
    return [*stack, *decoder, *heads]


def embedding_of(recipe: Recipe, embedding: Embedding, size: int) -> keras.layers.Layer:
    """Make the layer that gives each of `size` tokens its vector."""
    said = _arguments("embedding", embedding)
    own = {"name": recipe.layer_names[0], "dtype": recipe.fit.dtype_policy}
    return keras.layers.Embedding(size, **{"mask_zero": embedding.mask_zero, **said, **own})


def _recurrent(place: str, layer: Recurrent, name: str, policy: str, *, sequences: bool) -> keras.layers.Layer:
    make = getattr(keras.layers, layer.layer)
    made = make(**_arguments(place, layer) | {"name": name, "return_sequences": sequences, "dtype": policy})
    return keras.layers.Bidirectional(made, name=name, dtype=policy) if layer.bidirectional else made


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


def layers_in(model: keras.Model) -> tuple[tuple[str, str, str, int], ...]:
    """Give name, kind, output's shape (None as ?) and number of parameters of each layer of `model`."""
    return tuple(
        (
            layer.name,
            type(layer).__name__,
            "[" + ", ".join("?" if side is None else str(side) for side in layer.output.shape) + "]",
            layer.count_params(),
        )
        for layer in model.layers
    )


def class_weights(recipe: Recipe, splits: Splits) -> dict[int, float] | None:
    """Give the weight of each class by its number, or None where all examples count alike.

    Raises:
        RecipeRefused: The recipe weighs the classes of a forecast, or a label that the source does not have.
    """
    said = recipe.fit.class_weight
    if said is None:
        return None
    if splits.task != "classify":
        raise RecipeRefused("fit.class_weight: the source has no classes to weigh: leave it out")
    if said == "balanced":
        counts = np.bincount(splits.train.targets, minlength=len(splits.outputs))
        return {i: len(splits.train) / (len(counts) * max(int(count), 1)) for i, count in enumerate(counts)}
    if unknown := sorted(said.keys() - set(splits.outputs)):
        raise RecipeRefused(
            f"fit.class_weight: {unknown[0]!r} is no class of the source; these are: {', '.join(splits.outputs)}"
        )
    return {i: said.get(label, 1.0) for i, label in enumerate(splits.outputs)}


def _arguments(place: str, layer: Weights | Embedding) -> dict[str, Any]:
    return {
        key: _made(f"{place}.{key}", value, _GET[key.rsplit("_", 1)[-1]]) if isinstance(value, Named) else value
        for key, value in layer.said.items()
    }


def _made(place: str, named: Named, get: Callable[[Any], Any]) -> Any:
    try:
        return get(_scheduled(named.identifier))
    except (TypeError, ValueError) as error:
        kind = place.rsplit(".", 1)[-1].rsplit("_", 1)[-1]
        raise RecipeRefused(
            f"{place}: Keras makes no {kind} of {named.identifier!r}: "
            "check class_name and config against the Keras manual"
        ) from error


def _scheduled(identifier: str | dict[str, Any]) -> str | dict[str, Any]:
    """Make the schedule that stands in the place of a learning rate: Keras' optimizers take it made alone."""
    if isinstance(identifier, dict) and isinstance(identifier["config"].get("learning_rate"), dict):
        schedule = keras.optimizers.schedules.deserialize(identifier["config"]["learning_rate"])
        return {**identifier, "config": {**identifier["config"], "learning_rate": schedule}}
    return identifier
