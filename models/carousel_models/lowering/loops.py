"""Cells whose activations ONNX's recurrent operations have not: a loop over the timesteps."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras.ops import convert_to_numpy as to_numpy
from onnx import TensorProto, helper

from carousel_models.lowering.activations import activate
from carousel_models.lowering.graph import Graph


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a cell runs over.

    Attributes:
        steps: [steps, rows, width].
        width: Features of a timestep.
        before: Its states, [1, rows, units] each; none where all are zeros.
        mask: bool [steps, rows]; "" where all timesteps count.
        backwards: Whether timesteps are read from the last to the first.
    """

    steps: str
    width: int
    before: list[str]
    mask: str
    backwards: bool


@dataclass(frozen=True, slots=True)
class Steps:
    """What a cell gave: [steps, rows, units] in the order of time, and its states after the last timestep read."""

    steps: str
    states: list[str]


@dataclass(frozen=True, slots=True)
class Step:
    """One timestep of a cell.

    Attributes:
        gates: How many kernels stand side by side.
        states: How many states it has; its output is the first.
        write: (graph, cell, what the inputs give to the gates [rows, gates * units], states [rows, units] each) -> the
            next states.
    """

    gates: int
    states: int
    write: Callable[[Graph, Any, str, list[str]], list[str]]


def _lstm(graph: Graph, cell: Any, gates: str, states: list[str]) -> list[str]:
    hidden, carry = states
    gates = graph.add("Add", gates, graph.add("MatMul", hidden, graph.constant(to_numpy(cell.recurrent_kernel))))
    i, f, c, o = graph.split(gates, [cell.units] * 4, axis=1)
    i, f, o = (activate(graph, cell.recurrent_activation, gate) for gate in (i, f, o))
    c = graph.add("Mul", i, activate(graph, cell.activation, c))
    carry = graph.add("Add", graph.add("Mul", f, carry), c)
    return [graph.add("Mul", o, activate(graph, cell.activation, carry)), carry]


def _gru(graph: Graph, cell: Any, gates: str, states: list[str]) -> list[str]:
    (hidden,) = states
    recurrent = to_numpy(cell.recurrent_kernel)
    update, reset, new = graph.split(gates, [cell.units] * 3, axis=1)
    if cell.reset_after:
        inner = graph.add("MatMul", hidden, graph.constant(recurrent))
        if cell.use_bias:
            inner = graph.add("Add", inner, graph.constant(to_numpy(cell.bias)[1]))
        inner_z, inner_r, inner_h = graph.split(inner, [cell.units] * 3, axis=1)
    else:
        both = graph.add("MatMul", hidden, graph.constant(recurrent[:, : 2 * cell.units]))
        inner_z, inner_r = graph.split(both, [cell.units] * 2, axis=1)
    update = activate(graph, cell.recurrent_activation, graph.add("Add", update, inner_z))
    reset = activate(graph, cell.recurrent_activation, graph.add("Add", reset, inner_r))
    if cell.reset_after:
        inner_h = graph.add("Mul", reset, inner_h)
    else:
        kept = graph.add("Mul", reset, hidden)
        inner_h = graph.add("MatMul", kept, graph.constant(recurrent[:, 2 * cell.units :]))
    new = activate(graph, cell.activation, graph.add("Add", new, inner_h))
    rest = graph.add("Sub", graph.constant(1.0), update)
    return [graph.add("Add", graph.add("Mul", update, hidden), graph.add("Mul", rest, new))]


def _simple_rnn(graph: Graph, cell: Any, gates: str, states: list[str]) -> list[str]:
    inner = graph.add("MatMul", states[0], graph.constant(to_numpy(cell.recurrent_kernel)))
    return [activate(graph, cell.activation, graph.add("Add", gates, inner))]


LSTM_STEP, GRU_STEP, RNN_STEP = Step(4, 2, _lstm), Step(3, 1, _gru), Step(1, 1, _simple_rnn)


def loop(graph: Graph, cell: Any, x: Inputs, step: Step) -> Steps:
    """Run `step` over all timesteps by ONNX's Scan; a masked timestep changes no state."""
    gates = graph.add("MatMul", x.steps, graph.constant(to_numpy(cell.kernel)))
    if cell.use_bias:
        gates = graph.add("Add", gates, graph.constant(np.atleast_2d(to_numpy(cell.bias))[0]))
    before = [graph.add("Squeeze", state, graph.ints([0])) for state in x.before] or _zeros(graph, x.steps, cell, step)
    masks = [graph.add("Unsqueeze", x.mask, graph.ints([2]))] if x.mask else []
    body = graph.body()
    # What a masked timestep repeats before the first valid one: in a whole graph Keras' zeros, whatever the states.
    repeats = bool(masks) and not graph.stepwise
    carried = [body.name("before") for _ in before]
    taken = [body.name("now") for _ in (gates, *masks)]
    last = body.name("last")
    after = step.write(body, cell, taken[0], carried)
    graph.missing = graph.missing or body.missing
    output = after[0]
    if masks:
        after = [body.add("Where", taken[1], new, old) for new, old in zip(after, carried, strict=True)]
        output = body.add("Where", taken[1], output, last) if repeats else after[0]
    results = [body.add("Identity", name) for name in (*after, *([output] if repeats else []), output)]
    begin = [*before, *(_zeros(graph, x.steps, cell, step)[:1] if repeats else [])]
    value, units = helper.make_tensor_value_info, [None, cell.units]
    inputs = [value(name, TensorProto.FLOAT, units) for name in (*carried, *([last] if repeats else []))]
    inputs.append(value(taken[0], TensorProto.FLOAT, [None, step.gates * cell.units]))
    inputs += [value(name, TensorProto.BOOL, [None, 1]) for name in taken[1:]]
    scanned = graph.add_many(
        len(results),
        "Scan",
        *begin,
        gates,
        *masks,
        body=helper.make_graph(
            body.nodes, "step", inputs, [value(name, TensorProto.FLOAT, units) for name in results], body.weights
        ),
        num_scan_inputs=1 + len(masks),
        scan_input_directions=[int(x.backwards)] * (1 + len(masks)),
        scan_output_directions=[int(x.backwards)],
    )
    states = [graph.add("Unsqueeze", name, graph.ints([0])) for name in scanned[: step.states]]
    return Steps(scanned[-1], states)


def _zeros(graph: Graph, steps: str, cell: Any, step: Step) -> list[str]:
    rows = graph.slice(graph.add("Shape", steps), 0, 1, 2)
    zeros = graph.add("ConstantOfShape", graph.concat([rows, graph.ints([cell.units])], 0))
    return [zeros] * step.states
