"""An ONNX graph while it is written: nodes, and the weights they take."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from onnx import NodeProto, TensorProto, helper, numpy_helper


class NoPlan(Exception):
    """No error: the model is served, but by TensorFlow. Says which layer has no plan and why."""


class Graph:
    """Nodes and weights, in the order in which they were added. A tensor is known by its name."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []

    def add(self, operation: str, *takes: str, gives: str = "", **attributes: Any) -> str:
        """Add an operation with one result; return the result's name."""
        (name,) = self.add_many(1, operation, *takes, gives=gives, **attributes)
        return name

    def add_many(self, count: int, operation: str, *takes: str, gives: str = "", **attributes: Any) -> list[str]:
        """Add an operation with `count` results; return their names."""
        names = [gives or f"{operation}_{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append(helper.make_node(operation, takes, names, **attributes))
        return names

    def split(self, tensor: str, widths: list[int], axis: int) -> list[str]:
        """Cut a tensor along `axis` into pieces of `widths`."""
        return self.add_many(len(widths), "Split", tensor, self.ints(widths), axis=axis)

    def constant(self, values: ArrayLike) -> str:
        """Add float32 weights."""
        return self._weight(np.asarray(values, np.float32, order="C"))

    def ints(self, values: int | list[int]) -> str:
        """Add int64 axes, sizes or places."""
        return self._weight(np.asarray(values, np.int64, order="C"))

    def _weight(self, array: np.ndarray) -> str:
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name
