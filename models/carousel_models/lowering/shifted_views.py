"""Windows over timesteps, as shifted views: the ground of convolution and pooling.

A convolution is one matrix product over views side by side, and pooling is arithmetic between views: operations whose
result for one timestep does not depend on how many timesteps or rows there are.
"""

from dataclasses import dataclass

from carousel_models.lowering.graph import Graph
from carousel_models.lowering.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Window:
    """Which timesteps stand before an output's: `size` of them, `dilation` apart, moved on by `stride`."""

    size: int
    stride: int = 1
    dilation: int = 1

    @property
    def span(self) -> int:
        """Timesteps from the first to the last, less one."""
        return (self.size - 1) * self.dilation


def views(graph: Graph, x: str, axis: int, window: Window) -> list[str]:
    """Give each output's first timestep, its second, ... as tensors of the outputs' length along `axis`."""
    shifted = []
    for i in range(window.size):
        begin = i * window.dilation
        left = window.span - begin
        whole = window.size == 1 and window.stride == 1
        shifted.append(x if whole else graph.slice(x, axis, begin, -left if left else None, window.stride))
    return shifted


def padded(graph: Graph, x: Tensor, window: Window, padding: str, value: float = 0.0) -> str:
    """Put the timesteps before and after [batch, timesteps, features] that `padding` asks for."""
    if padding == "valid" or (padding == "causal" and not window.span):
        return x.name
    zero = graph.ints([0])
    if padding == "causal":
        before, after = graph.ints([window.span]), zero
    elif window.stride == 1:
        before, after = graph.ints([window.span // 2]), graph.ints([window.span - window.span // 2])
    else:
        # TensorFlow's rule: as many outputs as strides begin, and the odd one of the padding stands behind.
        stride = graph.ints([window.stride])
        over = graph.add("Mod", graph.slice(graph.add("Shape", x.name), 0, 1, 2), stride)
        over = graph.add("Where", graph.add("Equal", over, zero), stride, over)
        total = graph.add("Max", graph.add("Sub", graph.ints([window.span + 1]), over), zero)
        before = graph.add("Div", total, graph.ints([2]))
        after = graph.add("Sub", total, before)
    pads = graph.concat([zero, before, zero, zero, after, zero], 0)
    return graph.add("Pad", x.name, pads, graph.constant(value))


def continued(graph: Graph, x: Tensor, name: str, window: Window) -> str:
    """Put the last timesteps of the chunk before in front of a stepwise [steps, rows, features], and carry these."""
    if not window.span:
        return x.name
    width = x.size(-1)
    before = graph.state(f"{name}_inputs", window.span * width)
    before = graph.add("Reshape", before, graph.ints([-1, window.span, width]))
    extended = graph.concat([graph.add("Transpose", before, perm=[1, 0, 2]), x.name], 0)
    after = graph.add("Transpose", graph.slice(extended, 0, -window.span), perm=[1, 0, 2])
    graph.carry(graph.add("Reshape", after, graph.ints([1, -1, window.span * width])))
    return extended
