"""A Keras model as its calls of layers and operations, in an order in which they can be made.

The one file that knows how Keras keeps a functional model: the nodes of `keras.Function` are not public.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import keras
from keras import tree
from keras.src.models.functional import Functional

Value = TypeVar("Value")

Call = Callable[[keras.Operation, Any, Any, list[Any]], list[Value]]
"""(operation, args, kwargs, what it gives as KerasTensors) -> a value for each of them."""


def walk(model: keras.Model, inputs: list[Value], call: Call[Value]) -> list[Value]:
    """Go through a Sequential or functional model and all models nested in it.

    Args:
        model: It is not changed.
        inputs: A value for each of the model's inputs.
        call: Made for every call of a layer or operation, with values in place of the model's tensors.

    Returns:
        A value for each of the model's outputs.
    """
    function = getattr(model, "_functional", model)
    values: dict[int, Value] = {id(x): value for x, value in zip(function.inputs, inputs, strict=True)}
    for _, nodes in sorted(function._nodes_by_depth.items(), reverse=True):  # noqa: SLF001 - see above
        for node in nodes:
            if not node.operation or node.is_input or any(id(x) not in values for x in node.input_tensors):
                continue
            args, kwargs = node.arguments.fill_in(values)
            if is_nested(node.operation):
                given = _walk_nested(node.operation, args, kwargs, call)
            else:
                given = call(node.operation, args, kwargs, node.outputs)
            values.update((id(x), value) for x, value in zip(node.outputs, given, strict=True))
    return [values[id(x)] for x in function.outputs]


def is_nested(operation: keras.Operation) -> bool:
    """Whether it is a Sequential or functional model, and calls its layers as such a model does."""
    return isinstance(operation, keras.Model) and type(operation).call in {Functional.call, keras.Sequential.call}


def _walk_nested(model: keras.Model, args: Any, kwargs: Any, call: Call[Value]) -> list[Value]:
    inputs = list(tree.flatten(args[0] if args else kwargs["inputs"]))
    return walk(model, inputs, call)
