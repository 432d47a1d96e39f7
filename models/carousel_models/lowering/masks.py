"""Masked timesteps change no state: they are left out before a recurrent layer runs and its outputs put back after."""

from dataclasses import dataclass

from carousel_models.lowering.graph import Graph


@dataclass(frozen=True, slots=True)
class Packed:
    """A sequence whose valid timesteps stand first.

    Attributes:
        steps: [steps, rows, width].
        lengths: int32 [rows], the valid timesteps, or 1 where there is none.
        empty: bool [1, rows, 1], where there is none.
        mask: bool [steps, rows], as it came.
        before: int64 [steps, rows], the valid timesteps up to each, it included.
        count: int64 [1, rows].
    """

    steps: str
    lengths: str
    empty: str
    mask: str
    before: str
    count: str


def pack(graph: Graph, steps: str, mask: str) -> Packed:
    """Bring the valid timesteps of [steps, rows, width] to the front, in their order, the masked ones behind them."""
    one = graph.ints(1)
    valid = graph.cast(mask, "int64")
    before = graph.add("CumSum", valid, graph.ints(0))
    count = graph.slice(before, 0, -1)
    others = graph.add("CumSum", graph.add("Sub", one, valid), graph.ints(0))
    place = graph.add("Where", mask, before, graph.add("Add", count, others))
    place = graph.add("Sub", place, one)
    packed = graph.add("ScatterElements", steps, _wide(graph, place, steps), steps, axis=0)
    lengths = graph.add("Squeeze", graph.add("Max", count, one), graph.ints([0]))
    empty = graph.add("Unsqueeze", graph.add("Equal", count, graph.ints(0)), graph.ints([2]))
    return Packed(packed, graph.cast(lengths, "int32"), empty, mask, before, count)


def unpack(graph: Graph, packed: Packed, outputs: str, first: str, *, backwards: bool) -> str:
    """Put outputs [steps, rows, units] back to where their timesteps stood; a masked one repeats the one before it.

    Args:
        graph: Where to write.
        packed: What `pack` gave.
        outputs: One for each packed timestep.
        first: What stands before the first valid timestep, of a shape like [1, rows, units] or [].
        backwards: Whether timesteps were read from the last to the first.
    """
    one, zero = graph.ints(1), graph.ints(0)
    place = graph.add("Sub", packed.before, one)
    if backwards:
        # The one read before a masked timestep is the next valid one.
        place = graph.add("Where", packed.mask, place, packed.before)
        none = graph.add("GreaterOrEqual", place, packed.count)
        place = graph.add("Where", none, zero, place)
    else:
        none = graph.add("Less", place, zero)
        place = graph.add("Max", place, zero)
    repeated = graph.add("GatherElements", outputs, _wide(graph, place, outputs), axis=0)
    return graph.add("Where", graph.add("Unsqueeze", none, graph.ints([2])), first, repeated)


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
