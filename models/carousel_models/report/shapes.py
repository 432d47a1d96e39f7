"""The way of a sequence's shape through the layers of a model, as users of Keras think of it."""

import math
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from carousel_models.lowering import walk


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a layer or operation.

    Attributes:
        name: The layer's own.
        what: Its kind, and what decides its output: `LSTM(128)`.
        takes, gives: The shapes of its inputs and outputs, without the batch.
        read: The tensors that it reads, and `written`, that it writes, by number: who reads what.
    """

    name: str
    what: str
    takes: tuple[tuple[int | None, ...], ...]
    gives: tuple[tuple[int | None, ...], ...]
    read: tuple[int, ...]
    written: tuple[int, ...]


def calls_of(model: keras.Model, timesteps: int) -> list[Call]:
    """Give the calls of a model's layers in their order, over sequences of `timesteps`; nested models are opened."""
    calls: list[Call] = []
    kept: list[Any] = []  # a tensor's number is its place here

    def number(tensor: Any) -> int:
        for place, each in enumerate(kept):
            if each is tensor:
                return place
        kept.append(tensor)
        return len(kept) - 1

    def call(operation: keras.Operation, args: Any, kwargs: Any, specs: list[Any]) -> list[Any]:  # noqa: ARG001
        # A mask goes beside what it masks, and is no part of the way.
        read = (args, {name: value for name, value in kwargs.items() if "mask" not in name})
        taken = [x for x in keras.tree.flatten(read) if isinstance(x, keras.KerasTensor)]
        given = list(keras.tree.flatten(operation.symbolic_call(*args, **kwargs)))
        calls.append(
            Call(
                operation.name,
                _what(operation),
                tuple(x.shape[1:] for x in taken),
                tuple(x.shape[1:] for x in given),
                tuple(map(number, taken)),
                tuple(map(number, given)),
            )
        )
        return given

    needed = set(map(number, walk(model, [_with_timesteps(x, timesteps) for x in model.inputs], call)))
    way: list[Call] = []
    for each in reversed(calls):  # what only masks are made of is no part of it
        if needed & set(each.written):
            needed |= set(each.read)
            way.insert(0, each)
    return way


def way_in_words(model: keras.Model, timesteps: int) -> list[str]:
    """Write the way: one line where each layer reads the one before it, otherwise a line for each layer.

    [5, 64] -> LSTM(128) -> [5, 128] -> LSTM(256) -> [256]
    """
    calls = calls_of(model, timesteps)
    chain = all(
        len(each.takes) == len(each.gives) == 1 and (i == 0 or each.read == calls[i - 1].written)
        for i, each in enumerate(calls)
    )
    if chain and calls:
        steps = [f"-> {each.what} -> {_shape(each.gives[0])}" for each in calls]
        return [" ".join([_shape(calls[0].takes[0]), *steps])]
    width = max((len(each.name) for each in calls), default=0)
    return [f"{each.name:{width}}  {_shapes(each.takes)} -> {each.what} -> {_shapes(each.gives)}" for each in calls]


def parameters_of(model: keras.Model) -> tuple[int, int]:
    """Count the numbers of all weights, and of those that training changes."""
    counts = [sum(math.prod(weight.shape) for weight in of) for of in (model.weights, model.trainable_weights)]
    return counts[0], counts[1]


def _with_timesteps(tensor: Any, timesteps: int) -> keras.KerasTensor:
    batch, *rest = tensor.shape
    if rest and rest[0] is None:
        rest[0] = timesteps
    return keras.KerasTensor((batch, *rest), tensor.dtype, name=tensor.name)


def _what(operation: Any) -> str:
    kind = type(operation).__name__
    if isinstance(operation, layers.Bidirectional):
        return f"Bidirectional({_what(operation.forward_layer)}, {operation.merge_mode or 'two outputs'})"
    if isinstance(operation, layers.TimeDistributed):
        return f"TimeDistributed({_what(operation.layer)})"
    if isinstance(operation, layers.Embedding):
        return f"Embedding({operation.input_dim}, {operation.output_dim})"
    deciding = (getattr(operation, name, None) for name in ("units", "filters", "pool_size", "rate"))
    first = next((value for value in deciding if value is not None), None)
    return kind if first is None else f"{kind}({first[0] if isinstance(first, tuple) else first})"


def _shapes(shapes: tuple[tuple[int | None, ...], ...]) -> str:
    return ", ".join(map(_shape, shapes)) or "[]"


def _shape(shape: tuple[int | None, ...]) -> str:
    return "[" + ", ".join("?" if side is None else str(side) for side in shape) + "]"
