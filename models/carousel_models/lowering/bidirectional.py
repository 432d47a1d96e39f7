"""Bidirectional: the same sequence read from both ends."""

from typing import Any

import keras
from keras import layers, tree

from carousel_models.lowering.graph import Graph, NoLowering, NotStepwise
from carousel_models.lowering.recurrent import Over, batch_first, run
from carousel_models.lowering.registry import over_time
from carousel_models.lowering.tensor import Tensor, mask_of

_RECURRENT = (layers.LSTM, layers.GRU, layers.SimpleRNN, layers.RNN)


@keras.saving.register_keras_serializable("carousel")
class BidirectionalOfKeras2(layers.Bidirectional):  # type: ignore[misc] # Keras has no types
    """Bidirectional as keras-team's Keras had it up to 2.3: a masked step repeats the output before it.

    Since TensorFlow 1.14, and in Keras 3, it gives zeros there.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        """Take what Bidirectional takes."""
        super().__init__(*given, **named)
        self.forward_layer.zero_output_for_mask = False
        self.backward_layer.zero_output_for_mask = False


@over_time(layers.Bidirectional, BidirectionalOfKeras2, at_every_step=False, own_mask=True)
def bidirectional(
    graph: Graph, layer: layers.Bidirectional, x: Tensor, initial_state: Any = None, mask: Any = None, **_: Any
) -> Any:
    """Write both directions, and what they are merged to."""
    if graph.stepwise:
        raise NotStepwise("reads the sequence from its end as well")
    forward, backward = layer.forward_layer, layer.backward_layer
    if type(forward) not in _RECURRENT or type(backward) not in _RECURRENT:
        raise NoLowering("holds a layer that is not LSTM, GRU, SimpleRNN or RNN")
    begin: list[Any] = [None, None]
    if initial_state is not None:
        states = tree.flatten(initial_state)
        begin = [states[: len(states) // 2], states[len(states) // 2 :]]
    both = [run(graph, rnn, x, start, mask) for rnn, start in zip((forward, backward), begin, strict=True)]
    given = [_answer(rnn, over) for rnn, over in zip((forward, backward), both, strict=True)]
    if layer.return_sequences:
        results = [x.to(batch_first(graph, name), mask=mask_of(x, mask)) for name in _merged(graph, layer, given)]
    else:
        results = [x.to(name, mask="") for name in _merged(graph, layer, given)]
    if layer.return_state:
        zero = graph.ints([0])
        results += [x.to(graph.add("Squeeze", state, zero), mask="") for over in both for state in over.states]
    return results


def _answer(layer: keras.Layer, over: Over) -> str:
    # The backward layer's steps stand in the order of time already, where Keras turns them round.
    if not layer.return_sequences:
        return over.last
    return over.steps


def _merged(graph: Graph, layer: layers.Bidirectional, given: list[str]) -> list[str]:
    if layer.merge_mode is None:
        return given
    if layer.merge_mode == "concat":
        return [graph.concat(given, -1)]
    if layer.merge_mode == "mul":
        return [graph.add("Mul", *given)]
    total = graph.add("Add", *given)
    return [total if layer.merge_mode == "sum" else graph.add("Mul", total, graph.constant(0.5))]
