"""A stack as a plan: the ONNX cell graph that ONNX Runtime runs chunk by chunk."""

import keras
import numpy as np
import onnx
from onnx import TensorProto, helper

from carousel_models.lowering.activations import LSTM_ACTIVATIONS
from carousel_models.lowering.graph import Graph, NoPlan
from carousel_models.lowering.heads import lower_head
from carousel_models.lowering.stack import Stack

OPSET, IR_VERSION = 17, 8
"""What every onnxruntime since 1.13 reads."""


def plan_of(stack: Stack) -> bytes:
    """Lower `stack` to a plan.

    The plan takes `inputs` [steps, rows, input_dim] and `state` [rows, state_width], every state side by side in the
    order of `stack.states`, and gives `outputs` [steps, rows, units] and `next_state` [rows, state_width]; float32.

    Raises:
        NoPlan: A layer or an activation has no exact form in ONNX.
    """
    graph = Graph()
    widths = [state.units for state in stack.states]
    rows = graph.add("Unsqueeze", "state", graph.ints([0]))
    waiting = iter(graph.split(rows, widths, axis=2))
    following: list[str] = []
    outputs = "inputs"
    for layer in stack.layers:
        if isinstance(layer, keras.layers.LSTM):
            outputs, *after = _lstm(graph, layer, outputs, next(waiting), next(waiting))
            following += after
        else:
            outputs = lower_head(graph, layer, outputs)
    graph.add("Identity", outputs, gives="outputs")
    graph.add("Squeeze", graph.add("Concat", *following, axis=2), graph.ints([0]), gives="next_state")
    value = helper.make_tensor_value_info
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "plan",
            [
                value("inputs", TensorProto.FLOAT, ["steps", "rows", stack.input_dim]),
                value("state", TensorProto.FLOAT, ["rows", sum(widths)]),
            ],
            [
                value("outputs", TensorProto.FLOAT, ["steps", "rows", stack.units]),
                value("next_state", TensorProto.FLOAT, ["rows", sum(widths)]),
            ],
            graph.weights,
        ),
        producer_name="carousel",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _lstm(graph: Graph, layer: keras.layers.LSTM, inputs: str, hidden: str, carry: str) -> tuple[str, str, str]:
    names = [_activation(layer, layer.recurrent_activation), *[_activation(layer, layer.activation)] * 2]
    kernel, recurrent, *bias = layer.get_weights()
    # ONNX adds two biases, one beside each kernel; Keras has one.
    none = np.zeros(4 * layer.units, np.float32)
    biases = np.concatenate([_gates(bias[0]) if bias else none, none])
    steps, hidden, carry = graph.add_many(
        3,
        "LSTM",
        inputs,
        graph.constant(_gates(kernel.T)[None]),
        graph.constant(_gates(recurrent.T)[None]),
        graph.constant(biases[None]),
        "",
        hidden,
        carry,
        hidden_size=layer.units,
        activations=[name for name, _, _ in names],
        # ONNX Runtime hands these out in order, to those activations alone that take one.
        activation_alpha=[alpha for _, alphas, _ in names for alpha in alphas] or None,
        activation_beta=[beta for _, _, betas in names for beta in betas] or None,
    )
    return graph.add("Squeeze", steps, graph.ints([1])), hidden, carry


def _activation(layer: keras.layers.LSTM, function: object) -> tuple[str, tuple[float, ...], tuple[float, ...]]:
    if function not in LSTM_ACTIVATIONS:
        name = getattr(function, "__name__", type(function).__name__)
        raise NoPlan(f"layer {layer.name!r}: ONNX's LSTM has no activation {name!r}")
    return LSTM_ACTIVATIONS[function]


def _gates(weights: np.ndarray) -> np.ndarray:
    """Put the gates of [4 * units, ...] from Keras' order i, f, c, o into ONNX's i, o, f, c."""
    update, forget, carry, output = np.split(weights, 4)
    return np.concatenate([update, output, forget, carry])
