"""A tensor of a Keras model while it is lowered."""

from dataclasses import dataclass, replace
from typing import Any, Self

from carousel_models.lowering.graph import NoLowering, NotStepwise


@dataclass(slots=True, eq=False)
class Tensor:
    """A tensor of the model, and where it is in the graph.

    In a whole graph it lies as Keras has it, [batch, ...]. In a stepwise graph it lies [steps, rows, ...]: what Keras
    knows as [batch, timesteps, ...] is timewise, and what Keras knows as [batch, ...] is there for every timestep, as
    it would be if the sequence ended there.

    Attributes:
        name: In the ONNX graph; "" where the graph cannot give it.
        shape: As Keras has it, batch first; None where a dimension may vary.
        dtype: Its name, as Keras has it.
        timewise: In a stepwise graph, whether Keras has timesteps in it.
        mask: Name of the mask that Keras hands on with it, bool and laid as its timesteps are; "" where all count.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str = "float32"
    timewise: bool = False
    mask: str = ""

    def to(self, name: str, **changes: Any) -> Self:
        """Make what this tensor becomes: another name in the graph, the same in all else."""
        return replace(self, name=name, **changes)

    def axis(self, axis: int) -> int:
        """Count an axis of Keras' shape from the end, where both layouts agree.

        Raises:
            NotStepwise: It is the time axis of a stepwise graph.
            NoLowering: It is the batch axis, so that a sequence's answer would depend on its batch-mates.
        """
        rank = len(self.shape)
        if axis % rank == 0:
            raise NoLowering("works along the batch axis: an answer would depend on its batch-mates")
        if axis % rank == 1 and self.timewise:
            raise NotStepwise("works along the time axis")
        return axis % rank - rank

    def axes(self, axes: Any) -> list[int]:
        """Count one axis or several from the end, in order."""
        given = list(axes) if isinstance(axes, list | tuple) else [axes]
        return sorted(self.axis(int(axis)) for axis in given)

    def size(self, axis: int) -> int:
        """Give the size of an axis that has a fixed one.

        Raises:
            NoLowering: It may vary.
        """
        size = self.shape[axis]
        if size is None:
            raise NoLowering(f"needs a fixed size along axis {axis}, and the model leaves it open")
        return size


def mask_of(x: Tensor, given: Any) -> str:
    """Name the mask that a layer called on `x` takes: the one it was given, or the one that comes with `x`."""
    return given.name if isinstance(given, Tensor) else x.mask
