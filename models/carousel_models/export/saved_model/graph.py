"""The graph of a SavedModel's signature, read from its output backwards through every function that it calls."""

from dataclasses import dataclass, field
from typing import Any

from carousel_models.refusals import ExportRefused

_CALLS = {"StatefulPartitionedCall", "PartitionedCall"}
_PASSED_ON = {"Identity", "StopGradient", "PreventGradient", "EnsureShape"}


@dataclass(eq=False)
class Frame:
    """One function while it is called.

    Attributes:
        nodes: By name.
        arguments: What it was called with, by the names of its parameters; empty for the signature itself.
    """

    nodes: dict[str, Any]
    arguments: dict[str, "Tensor"] = field(default_factory=dict)


@dataclass(frozen=True)
class Tensor:
    """An output of an operation in a frame, as `node`, `node:2` or `node:output:0` name it."""

    frame: Frame
    name: str

    @property
    def node(self) -> Any:
        """The operation that gives it."""
        return self.frame.nodes[self.name.split(":")[0]]

    @property
    def inputs(self) -> list["Tensor"]:
        """What that operation takes."""
        return [Tensor(self.frame, name) for name in self.node.input if not name.startswith("^")]


class SavedGraph:
    """The graph of one signature of a SavedModel that TensorFlow has loaded."""

    def __init__(self, function: Any) -> None:
        """Read a loaded signature."""
        definition = function.graph.as_graph_def()
        self._functions = {each.signature.name: each for each in definition.library.function}
        self._frame = Frame({node.name: node for node in definition.node})
        self._called: dict[tuple[Frame, str], Frame] = {}
        names = sorted(function.structured_outputs)  # as TensorFlow flattens a dictionary
        self.outputs = {
            name: Tensor(self._frame, tensor.name) for name, tensor in zip(names, function.outputs, strict=True)
        }
        placeholders = [tensor.op.name for tensor in function.graph.inputs]
        captured = len(function.captured_inputs)
        self._captured = dict(zip(placeholders[len(placeholders) - captured :], function.captured_inputs, strict=True))

    def source(self, tensor: Tensor) -> Tensor:
        """Go back to the operation that makes a tensor: through calls, their parameters, and what passes it on."""
        while True:
            base = tensor.name.split(":")[0]
            if base in tensor.frame.arguments:
                tensor = tensor.frame.arguments[base]
            elif tensor.node.op in _PASSED_ON:
                tensor = tensor.inputs[0]
            elif tensor.node.op in _CALLS:
                tensor = self._result(tensor)
            else:
                return tensor

    def variable(self, tensor: Tensor) -> Any:
        """Give the handle of the variable that a tensor is read from; None where it is no variable's value."""
        read = self.source(tensor)
        if read.node.op != "ReadVariableOp":
            return None
        return self._captured.get(self.source(read.inputs[0]).node.name)

    def _result(self, tensor: Tensor) -> Tensor:
        node = tensor.node
        function = self._functions[node.attr["f"].func.name]
        key = (tensor.frame, node.name)
        if key not in self._called:
            parameters = [argument.name for argument in function.signature.input_arg]
            given = [Tensor(tensor.frame, name) for name in node.input if not name.startswith("^")]
            self._called[key] = Frame(
                {each.name: each for each in function.node_def}, dict(zip(parameters, given, strict=True))
            )
        number = tensor.name.rsplit(":", 1)[-1]
        index = int(number) if number.isdigit() else 0
        name = function.signature.output_arg[index].name
        return Tensor(self._called[key], function.ret[name])


def constant(tensor: Tensor) -> Any:
    """Read a constant as a numpy array. Raises ExportRefused where it is none."""
    import tensorflow as tf  # noqa: PLC0415 - the caller has loaded it

    if tensor.node.op != "Const":
        raise ExportRefused(f"operation {tensor.node.name!r} gives what a layer would have as a constant")
    return tf.make_ndarray(tensor.node.attr["value"].tensor)
