"""A Keras model as its cell graph: what ONNX Runtime runs, in chunks or whole."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import onnx
from onnx import TensorProto, helper

from carousel.artifact import State
from carousel_models.lowering import all_layers  # noqa: F401 - registers every layer
from carousel_models.lowering.graph import Graph, NoLowering, NotStepwise, Unlowered
from carousel_models.lowering.registry import write
from carousel_models.lowering.tensor import Tensor
from carousel_models.lowering.walk import walk

OPSET, IR_VERSION = 17, 8
"""What every onnxruntime since 1.13 reads."""


@dataclass(frozen=True, slots=True)
class CellGraph:
    """A lowered model.

    Attributes:
        content: The ONNX model; None where it has none.
        states: What a stepwise model carries, in order; empty for a whole one.
        mask_value: What all features of a timestep are that is masked: it changes no state, and the answer is that of
            the timestep before. None where the model masks none, or where that does not hold.
        not_stepwise_because: Which layer needs the whole sequence and why; "" for a stepwise model.
        not_lowered_because: Which layer has no form in ONNX and why; "" where `content` is there.
    """

    content: bytes | None
    states: tuple[State, ...] = ()
    mask_value: float | None = None
    not_stepwise_because: str = ""
    not_lowered_because: str = ""

    @property
    def stepwise(self) -> bool:
        """Whether sequences may be cut in time."""
        return bool(self.states)


def lower(model: keras.Model) -> CellGraph:
    """Lower a Sequential or functional model of one input and one output.

    A stepwise graph takes `inputs` [steps, rows, ...] and `state` [rows, state_width], every state side by side in the
    order of `states`, and gives `outputs` [steps, rows, units] and `next_state` [rows, state_width]: the model's answer
    at every step. A whole graph takes `inputs` and gives `outputs`, [timesteps, rows, units] or, where the model gives
    no sequence, [1, rows, units]. The answer is float32, and so is every state.

    Args:
        model: It is not changed.

    Returns:
        The graph; without content where a layer has no lowering, which it then names.
    """
    because = ""
    try:
        return _lowered(model, stepwise=True)
    except NotStepwise as reason:
        because = str(reason)
    except NoLowering as reason:
        return CellGraph(None, (), None, str(reason), str(reason))
    try:
        graph = _lowered(model, stepwise=False)
    except Unlowered as reason:
        return CellGraph(None, (), None, because, str(reason))
    return CellGraph(graph.content, (), None, because, graph.not_lowered_because)


def input_dtype(model: keras.Model) -> str:
    """Name the dtype of what is sent.

    Args:
        model: Of one input.

    Returns:
        "int32" or "int64" for tokens [timesteps], "float32" for vectors [timesteps, input_dim].
    """
    (taken,) = model.inputs
    if len(taken.shape) > 2:
        return "float32"
    return "int64" if taken.dtype == "int64" else "int32"


def _lowered(model: keras.Model, *, stepwise: bool) -> CellGraph:
    graph = Graph(stepwise=stepwise)
    (taken,) = model.inputs
    dtype = input_dtype(model)
    x = Tensor("inputs", tuple(taken.shape), dtype, timewise=stepwise)
    if not stepwise:
        order = [1, 0, *range(2, len(taken.shape))]
        x = x.to(graph.add("Transpose", "inputs", perm=order))

    def call(operation: keras.Operation, args: Any, kwargs: Any, specs: list[Any]) -> list[Tensor]:
        return write(graph, operation, args, kwargs, specs)

    (answer,) = walk(model, [x], call)
    if stepwise and not graph.states:
        raise NotStepwise("no layer of it carries a state")
    if stepwise and not answer.timewise and len(answer.shape) != 2:
        raise NotStepwise("the model's answer is more than a vector when the sequence has ended")
    _give(graph, answer)
    mask_value = graph.mask_value(answer.name)
    if graph.missing:
        # All states are known, so TensorFlow may advance them.
        return CellGraph(None, tuple(graph.states), mask_value, "", graph.missing)
    return CellGraph(_onnx(graph, taken, dtype, answer), tuple(graph.states), mask_value)


def _give(graph: Graph, answer: Tensor) -> None:
    if not answer.name:
        raise NotStepwise("the model gives a cell state that only the last timestep has")
    if graph.stepwise:
        graph.add("Identity", answer.name, gives="outputs")
        graph.pack_states("state", "next_state")
    elif len(answer.shape) == 2:
        graph.add("Unsqueeze", answer.name, graph.ints([0]), gives="outputs")
    else:
        graph.add("Transpose", answer.name, perm=[1, 0, *range(2, len(answer.shape))], gives="outputs")


def _onnx(graph: Graph, taken: Any, dtype: str, answer: Tensor) -> bytes:
    value = helper.make_tensor_value_info
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    inputs = [value("inputs", kind, ["steps", "rows", *taken.shape[2:]])]
    outputs = [value("outputs", TensorProto.FLOAT, ["steps" if graph.stepwise else "given", "rows", answer.shape[-1]])]
    if graph.stepwise:
        width = sum(state.units for state in graph.states)
        inputs.append(value("state", TensorProto.FLOAT, ["rows", width]))
        outputs.append(value("next_state", TensorProto.FLOAT, ["rows", width]))
    model = helper.make_model(
        helper.make_graph(graph.nodes, "cell_graph", inputs, outputs, graph.weights),
        producer_name="carousel",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content
