"""LSTM, GRU, SimpleRNN and RNN over cells of these, one over another or alone."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, tree

from carousel_models.lowering.cells import CELLS
from carousel_models.lowering.graph import Graph, NoLowering, NotStepwise
from carousel_models.lowering.loops import Inputs
from carousel_models.lowering.masks import hold
from carousel_models.lowering.registry import over_time
from carousel_models.lowering.tensor import Tensor, mask_of


@over_time(layers.LSTM, layers.GRU, layers.SimpleRNN, layers.RNN, at_every_step=False, own_mask=True)
def rnn(graph: Graph, layer: layers.RNN, x: Tensor, initial_state: Any = None, mask: Any = None, **_: Any) -> Any:
    """Write a recurrent layer. A stepwise one carries the states of each of its cells."""
    if graph.stepwise and layer.go_backwards:
        raise NotStepwise("reads the sequence from its end (go_backwards=True)")
    if graph.stepwise and initial_state is not None:
        raise NotStepwise("starts from states that another layer gives")
    over = run(graph, layer, x, initial_state, mask)
    given_mask = mask_of(x, mask) if layer.return_sequences else ""
    if graph.stepwise:
        given = x.to(over.steps, timewise=layer.return_sequences, mask=given_mask)
        # Each step's output is its hidden state; a cell state is known after the last step alone.
        states = [given.to(over.steps if i == 0 else "", timewise=False, mask="") for i in range(len(over.states))]
        if layer.return_state and len(cells_of(layer)) > 1:
            raise NotStepwise("returns the states of several cells")
        return [given, *states] if layer.return_state else given
    sequence = graph.slice(over.steps, 0, -1, None, -1) if layer.go_backwards else over.steps
    states = [x.to(graph.add("Squeeze", state, graph.ints([0])), mask="") for state in over.states]
    answer = batch_first(graph, sequence) if layer.return_sequences else over.last
    given = x.to(answer, mask=given_mask)
    return [given, *states] if layer.return_state else given


@dataclass(frozen=True, slots=True)
class Over:
    """What a recurrent layer gave, in the order of time.

    Attributes:
        steps: [steps, rows, units].
        last: [rows, units], of the timestep that was read last; "" in a stepwise graph.
        states: After it, [1, rows, units] each.
    """

    steps: str
    last: str
    states: list[str]


def run(graph: Graph, layer: layers.RNN, x: Tensor, initial_state: Any, mask: Any) -> Over:
    """Run a recurrent layer's cells over the whole of `x`, backwards if it says so."""
    if len(x.shape) != 3:
        raise NoLowering("reads timesteps that are not vectors")
    masked = mask_of(x, mask)
    steps, width = x.name, x.size(-1)
    if not graph.stepwise:
        steps = batch_first(graph, steps)
        masked = graph.add("Transpose", masked, perm=[1, 0]) if masked else ""
    begin = None if initial_state is None else [_from(graph, state) for state in tree.flatten(initial_state)]
    states: list[str] = []
    cells = cells_of(layer)
    for i, cell in enumerate(cells):
        if type(cell) not in CELLS:
            raise NoLowering(f"has a cell that has no lowering to ONNX: {type(cell).__name__}")
        kind = CELLS[type(cell)]
        name = layer.name if len(cells) == 1 else f"{layer.name}_{i}"
        if graph.stepwise:
            before = [graph.state(f"{name}_{state}", cell.units, masked) for state in kind.states]
        else:
            before = [] if begin is None else [begin.pop(0) for _ in kind.states]
        given = kind.run(graph, cell, Inputs(steps, width, before, masked, backwards=layer.go_backwards))
        if graph.stepwise:
            graph.carry(*given.states)
        states += given.states
        steps, width = given.steps, cell.units
    last = ""
    if layer.zero_output_for_mask and masked:
        steps = hold(graph, steps, masked)
    elif masked:
        graph.repeat(steps, masked)
    if not graph.stepwise:
        last = graph.add("Gather", steps, graph.ints(0 if layer.go_backwards else -1), axis=0)
    return Over(steps, last, states)


def cells_of(layer: layers.RNN) -> list[keras.Layer]:
    """List the cells that a recurrent layer runs one over another."""
    return list(layer.cell.cells) if type(layer.cell) is layers.StackedRNNCells else [layer.cell]


def batch_first(graph: Graph, name: str) -> str:
    """Put [steps, rows, units] batch first, or back."""
    return graph.add("Transpose", name, perm=[1, 0, 2])


def _from(graph: Graph, state: Any) -> str:
    if not isinstance(state, Tensor):
        raise NoLowering("starts from a state that is a constant")
    return graph.add("Unsqueeze", state.name, graph.ints([0]))
