"""Masked timesteps change no state: they are left out before a recurrent layer runs and its outputs put back after.

A mask begins at Masking or at an Embedding with mask_zero (`embedding`), goes from layer to layer as `Tensor.mask`,
handed on by the `registry`, and is used here, by the recurrent layers (`recurrent`, `cells`, `loops`).
"""

from dataclasses import dataclass

from onnx import TensorProto

from carousel_models.lowering.graph import Graph


@dataclass(frozen=True, slots=True)
class Packed:
    """A sequence whose valid timesteps stand first.

    Attributes:
        steps: [steps, rows, width].
        lengths: int32 [rows], the valid timesteps, or 1 where there is none.
        empty: bool [1, rows, 1], where there is none.
        complete: bool [], whether every timestep of every row is valid: then nothing was moved.
        mask: bool [steps, rows], as it came.
        before: int64 [steps, rows], the valid timesteps up to each, it included; nothing of use where `complete`.
        count: int64 [1, rows].
    """

    steps: str
    lengths: str
    empty: str
    complete: str
    mask: str
    before: str
    count: str


def pack(graph: Graph, steps: str, mask: str) -> Packed:
    """Bring the valid timesteps of [steps, rows, width] to the front, in their order, the masked ones behind them."""
    one = graph.ints(1)
    valid = graph.cast(mask, "int64")
    count = graph.add("ReduceSum", valid, graph.ints([0]))
    complete = graph.add("Equal", graph.add("ReduceMin", valid, keepdims=0), one)

    def move(body: Graph) -> list[str]:
        valid = body.cast(mask, "int64")
        before = body.add("CumSum", valid, body.ints(0))
        others = body.add("CumSum", body.add("Sub", one, valid), body.ints(0))
        place = body.add("Where", mask, before, body.add("Add", count, others))
        place = body.add("Sub", place, one)
        return [body.add("ScatterElements", steps, _wide(body, place, steps), steps, axis=0), before]

    kinds = [TensorProto.FLOAT, TensorProto.INT64]
    packed, before = graph.choose(complete, kinds, lambda _: [steps, count], move)
    lengths = graph.add("Squeeze", graph.add("Max", count, one), graph.ints([0]))
    empty = graph.add("Unsqueeze", graph.add("Equal", count, graph.ints(0)), graph.ints([2]))
    return Packed(packed, graph.cast(lengths, "int32"), empty, complete, mask, before, count)


def unpack(graph: Graph, packed: Packed, outputs: str, first: str, *, backwards: bool) -> str:
    """Put outputs [steps, rows, units] back to where their timesteps stood; a masked one repeats the one before it.

    Args:
        graph: Where to write.
        packed: What `pack` gave.
        outputs: One for each packed timestep.
        first: What stands before the first valid timestep, of a shape like [1, rows, units] or [].
        backwards: Whether timesteps were read from the last to the first.
    """

    def move(body: Graph) -> list[str]:
        one, zero = body.ints(1), body.ints(0)
        place = body.add("Sub", packed.before, one)
        if backwards:
            # The one read before a masked timestep is the next valid one.
            place = body.add("Where", packed.mask, place, packed.before)
            none = body.add("GreaterOrEqual", place, packed.count)
            place = body.add("Where", none, zero, place)
        else:
            none = body.add("Less", place, zero)
            place = body.add("Max", place, zero)
        repeated = body.add("GatherElements", outputs, _wide(body, place, outputs), axis=0)
        return [body.add("Where", body.add("Unsqueeze", none, body.ints([2])), first, repeated)]

    (moved,) = graph.choose(packed.complete, [TensorProto.FLOAT], lambda _: [outputs], move)
    return moved


def hold(graph: Graph, outputs: str, mask: str, otherwise: str = "") -> str:
    """Give [steps, rows, units] where `mask` [steps, rows] counts, `otherwise` or zeros where it does not."""
    counts = graph.add("Unsqueeze", mask, graph.ints([-1]))
    return graph.add("Where", counts, outputs, otherwise or graph.constant(0.0))


def without_sign_of_zero(graph: Graph, x: str) -> str:
    """Make every -0.0 a 0.0: ONNX Runtime's Where does so on one of its sides only, which chunks would tell by bits."""
    zero = graph.constant(0.0)
    return graph.add("Where", graph.add("Equal", x, zero), zero, x)


def _wide(graph: Graph, places: str, like: str) -> str:
    return graph.add("Expand", graph.add("Unsqueeze", places, graph.ints([2])), graph.add("Shape", like))
