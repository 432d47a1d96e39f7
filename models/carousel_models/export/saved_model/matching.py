"""The layers of a SavedModel that Keras 3 exported: found by what the operations of its graph compute.

`model.export` keeps no layers, only operations and variables. Each group of operations that a layer of Keras writes is
matched here, from the outputs backwards. What is not known is refused by name; what is matched is a guess, until the
model that it makes is compared with the SavedModel.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from carousel_models.export.saved_model.graph import SavedGraph, Tensor, constant
from carousel_models.export.saved_model.patterns import pattern
from carousel_models.refusals import ExportRefused

_ACTIVATIONS = {
    "Elu": "elu",
    "LogSoftmax": "log_softmax",
    "Relu": "relu",
    "Relu6": "relu6",
    "Selu": "selu",
    "Sigmoid": "sigmoid",
    "Softmax": "softmax",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Tanh": "tanh",
}
_MERGED = {
    "AddV2": layers.Add,
    "Maximum": layers.Maximum,
    "Minimum": layers.Minimum,
    "Mul": layers.Multiply,
    "Sub": layers.Subtract,
}
_CELLS = {4: layers.LSTM, 3: layers.GRU, 1: layers.SimpleRNN}
_IN_CELLS = _ACTIVATIONS | {"Relu6": "hard_sigmoid"}


_MERGE_MODES = {"AddV2": "sum", "ConcatV2": "concat", "Mul": "mul"}
_RESHAPED = {"ExpandDims", "Reshape", "Squeeze"}


@dataclass(frozen=True)
class _Recurrent:
    """A recurrent layer as its loop has it: what it is made by, its variables, and what it runs over."""

    kind: Any
    config: dict[str, Any]
    weights: list[Any]
    x: Tensor


class Matcher:
    """Makes a Keras model from a graph."""

    def __init__(self, graph: SavedGraph, loaded: Any, inputs: dict[str, keras.KerasTensor]) -> None:
        """Match `graph` of the SavedModel `loaded`, whose inputs are to be `inputs`, by their names."""
        self._graph = graph
        self._variables = {id(variable.handle): variable for variable in getattr(loaded, "variables", ())}
        self._inputs = inputs
        self._known: dict[tuple[Any, str], Any] = {}
        self._layers: dict[tuple[Any, ...], layers.Layer] = {}

    def match(self, tensor: Tensor) -> Any:
        """Give the Keras tensor that a tensor of the graph is."""
        tensor = self.source(tensor)
        key = (tensor.frame, tensor.name)
        if key not in self._known:
            self._known[key] = self._matched(tensor)
        return self._known[key]

    def _matched(self, tensor: Tensor) -> Any:
        node, taken = tensor.node, tensor.inputs
        scope = self._loop(tensor)
        bias = self.value(taken[1]) if node.op in {"BiasAdd", "AddV2"} else None
        if node.op == "Placeholder" and node.name in self._inputs:
            matched = self._inputs[node.name]
        elif not scope and (found := self._grouped(tensor)) is not None:
            matched = found
        elif scope:
            matched = self._recurrent(tensor, scope)
        elif bias is not None:
            matched = self._dense(self.source(taken[0]), bias)
        elif node.op == "MatMul" or (node.op == "Reshape" and node.name.endswith("/Tensordot")):
            matched = self._dense(tensor, None)
        elif node.op == "GatherV2" and self.value(taken[0]) is not None:
            matched = self._embedding(tensor)
        else:
            matched = self._computed(tensor)
        return matched

    def _grouped(self, tensor: Tensor) -> Any:
        """Match a group of operations of one layer; None where it is none that is known."""
        found = pattern(self, tensor)
        return self._both_ways(tensor) if found is None else found

    def _computed(self, tensor: Tensor) -> Any:
        """Match what has no weights."""
        node, taken = tensor.node, tensor.inputs
        if node.op in _ACTIVATIONS:
            return layers.Activation(_ACTIVATIONS[node.op])(self.match(taken[0]))
        if node.op == "ConcatV2":
            return layers.Concatenate(int(constant(taken[-1])))([self.match(each) for each in taken[:-1]])
        if node.op == "ReverseV2" and constant(taken[1]).size == 1:
            return keras.ops.flip(self.match(taken[0]), axis=int(constant(taken[1])[0]))
        if node.op in _MERGED:
            return _MERGED[node.op]()([self.match(each) for each in taken])
        raise ExportRefused(f"operation {node.op} {node.name!r} is of no layer that is known by its operations")

    def source(self, tensor: Tensor) -> Tensor:
        """Go back to the operation that makes a tensor."""
        return self._graph.source(tensor)

    def value(self, tensor: Tensor) -> Any:
        """Give the variable that a tensor is the value of, whatever its shape became; None where it is none."""
        tensor = self.source(tensor)
        while tensor.node.op in _RESHAPED:
            tensor = self.source(tensor.inputs[0])
        return self._variables.get(id(self._graph.variable(tensor)))

    def _loop(self, tensor: Tensor) -> str:
        """Give the scope of the loop over time that an operation belongs to; "" where it belongs to none."""
        loops = [
            name.rpartition("/")[0]
            for name, node in tensor.frame.nodes.items()
            if node.op in {"While", "StatelessWhile"}
        ]
        return max((scope for scope in loops if tensor.node.name.startswith(f"{scope}/")), key=len, default="")

    def _dense(self, product: Tensor, bias: Any) -> Any:
        x, kernel = None, None
        if product.node.op == "MatMul":
            x, kernel = product.inputs[0], self.value(product.inputs[1])
        elif product.node.name.endswith("/Tensordot"):
            inside = {name: Tensor(product.frame, name) for name in product.frame.nodes}
            multiply = inside.get(f"{product.node.name}/MatMul")
            moved = inside.get(f"{product.node.name}/transpose")
            if multiply is not None and moved is not None:
                x, kernel = moved.inputs[0], self.value(multiply.inputs[1])
        if x is None or kernel is None or len(kernel.shape) != 2:
            raise ExportRefused(f"operation {product.node.op} {product.node.name!r} is no product with a kernel")
        weights = [kernel] if bias is None else [kernel, bias]
        dense = self.layer(layers.Dense, weights, units=kernel.shape[1], use_bias=bias is not None)
        return self.called(dense, self.match(x), weights)

    def _embedding(self, tensor: Tensor) -> Any:
        table = self.value(tensor.inputs[0])
        indices = self.source(tensor.inputs[1])
        if indices.node.op == "SelectV2":  # a token below zero counts from the end
            indices = indices.inputs[2]
        masked = any(
            node.op == "NotEqual" and self.source(Tensor(tensor.frame, node.input[0])) == self.source(indices)
            for node in tensor.frame.nodes.values()
        )
        size, width = table.shape
        embedding = self.layer(layers.Embedding, [table], input_dim=size, output_dim=width, mask_zero=masked)
        return self.called(embedding, self.match(indices), [table])

    def _both_ways(self, tensor: Tensor) -> Any:
        """Match Bidirectional, so that masks go on as in Keras; None where it is something else."""
        mode, taken = _MERGE_MODES.get(tensor.node.op), tensor.inputs
        if mode is None or (mode == "concat" and (len(taken) != 3 or constant(self.source(taken[2])) != -1)):
            return None
        forward, backward = map(self.source, taken[:2])
        turned = backward.node.op == "ReverseV2" and not self._loop(backward)
        backward = self.source(backward.inputs[0]) if turned else backward
        scopes = self._loop(forward), self._loop(backward)
        if "" in scopes or scopes[0] == scopes[1]:
            return None
        one, other = self._read(forward, scopes[0]), self._read(backward, scopes[1])
        directions = one.config["go_backwards"], other.config["go_backwards"]
        every = one.config["return_sequences"], other.config["return_sequences"]
        if directions != (False, True) or every != (turned, turned) or self.source(one.x) != self.source(other.x):
            return None
        sides = [each.kind(name=f"{mode}_{i}", **each.config) for i, each in enumerate((one, other))]
        both = layers.Bidirectional(sides[0], merge_mode=mode, backward_layer=sides[1])
        return self.called(both, self.match(one.x), [*one.weights, *other.weights])

    def _recurrent(self, tensor: Tensor, scope: str) -> Any:
        found = self._read(tensor, scope)
        return self.called(
            self.layer(found.kind, found.weights, scope, **found.config), self.match(found.x), found.weights
        )

    def _read(self, tensor: Tensor, scope: str) -> _Recurrent:
        """Read the recurrent layer whose loop has this scope, of which `tensor` is the answer."""
        inside = {name: node for name, node in tensor.frame.nodes.items() if name.startswith(f"{scope}/")}
        read = {}
        for name, node in inside.items():
            if node.op == "ReadVariableOp":
                variable = self.value(Tensor(tensor.frame, name))
                if variable is not None and "seed_generator" not in variable.name:
                    read[variable.name.split("/")[-1].split(":")[0]] = variable
        if not {"kernel", "recurrent_kernel"} <= read.keys() <= {"kernel", "recurrent_kernel", "bias"}:
            raise ExportRefused(f"the loop {scope!r} reads the variables {sorted(read)}, which are no LSTM's or GRU's")
        units = read["recurrent_kernel"].shape[0]
        kind = _CELLS.get(read["recurrent_kernel"].shape[1] // units)
        if kind is None or f"{scope}/transpose" not in inside:
            raise ExportRefused(f"the loop {scope!r} is none of Keras' LSTM, GRU and SimpleRNN")
        if not any(node.op == "Fill" for node in inside.values()):
            raise ExportRefused(f"the loop {scope!r} does not start from zeros: its initial state is the model's own")
        if tensor.node.op not in {"Transpose", "StridedSlice"}:
            raise ExportRefused(f"operation {tensor.node.name!r}: a state of the loop is an output of the model")
        config = _functions(
            kind, Counter(node.op for name, node in inside.items() if "cell" in name.split("/")[-2]), scope
        )
        if kind is layers.GRU and "bias" in read:
            config["reset_after"] = len(read["bias"].shape) == 2
        weights = [read[name] for name in ("kernel", "recurrent_kernel", "bias") if name in read]
        config |= {
            "units": units,
            "use_bias": "bias" in read,
            "return_sequences": tensor.node.op == "Transpose",
            "go_backwards": any(node.op == "ReverseV2" for node in inside.values()),
        }
        return _Recurrent(kind, config, weights, Tensor(tensor.frame, f"{scope}/transpose").inputs[0])

    def layer(self, kind: Any, weights: list[Any], scope: str = "", **config: Any) -> layers.Layer:
        """Make a layer, or find the one that has the same variables: it is shared."""
        key = (kind, scope, config.get("return_sequences"), *(id(weight) for weight in weights))
        if key not in self._layers:
            path = ["", *weights[0].name.split("/")] if weights else ["", ""]
            own = (path[-3] if "cell" in path[-2] and len(path) > 3 else path[-2]) or None
            taken = {layer.name for layer in self._layers.values()}
            self._layers[key] = kind(name=own if own not in taken else None, **config)
        return self._layers[key]

    @staticmethod
    def called(layer: layers.Layer, x: Any, weights: list[Any]) -> Any:
        """Call a layer, and give it the values of these variables, in its own order."""
        given = layer(x)
        layer.set_weights(
            [*(weight.numpy() for weight in weights), *(w.numpy() for w in layer.weights[len(weights) :])]
        )
        return given


def _functions(kind: Any, counts: Counter[str], scope: str) -> dict[str, Any]:
    """Tell the activations of a cell by how often each operation stands in it: gates are more than candidates."""
    gates, candidates = {layers.LSTM: (3, 2), layers.GRU: (2, 1), layers.SimpleRNN: (0, 1)}[kind]
    found = {op: count for op, count in counts.items() if op in _IN_CELLS}
    names = {count: _IN_CELLS[op] for op, count in found.items()}
    if len(found) == 1 and gates + candidates in names:
        config = {"activation": names[gates + candidates], "recurrent_activation": names[gates + candidates]}
    elif set(names) <= {gates, candidates} and len(names) == len(found):
        config = {
            "activation": names.get(candidates, "linear"),
            "recurrent_activation": names.get(gates, "linear"),
        }
    else:
        raise ExportRefused(f"the loop {scope!r} holds the functions {dict(found)}, which are no cell's of Keras")
    if kind is layers.SimpleRNN:
        del config["recurrent_activation"]
    return config
