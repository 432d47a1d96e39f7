"""An ONNX graph while it is written: nodes, the weights they take, and the states that a stepwise one carries."""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from onnx import NodeProto, TensorProto, helper, numpy_helper

from carousel.artifact import State


class Unlowered(Exception):
    """No error: the model is served all the same. Says which layer and why."""

    named = False


class NotStepwise(Unlowered):
    """The layer needs more than the timesteps so far, so the model runs whole."""


class NoLowering(Unlowered):
    """The layer has no exact form in ONNX, so TensorFlow serves the model."""


Branch = Callable[["Graph"], Sequence[str]]
"""Writes one of two ways into a graph of its own; gives the names of its results."""


class Graph:
    """Nodes and weights, in the order in which they were added. A tensor is known by its name.

    Attributes:
        stepwise: Whether sequences may be cut in time: tensors lie time first, and states are explicit. In a whole
            graph tensors lie as Keras has them, batch first.
        states: What a stepwise graph carries from chunk to chunk, in order.
        missing: Why the graph cannot be used though all its states are known; "" where it can.
        masks: The masks that are read from the model's inputs as they come, by name: what all features of a timestep
            are that they mask.
    """

    def __init__(self, *, stepwise: bool) -> None:
        self.stepwise = stepwise
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []
        self.states: list[State] = []
        self.missing = ""
        self.masks: dict[str, float] = {}
        self._state_masks: set[float | None] = set()
        self._repeated: dict[str, float | None] = {}
        self._next_states: list[str] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._count = [0]

    def add(self, operation: str, *takes: str, gives: str = "", **attributes: Any) -> str:
        """Add an operation with one result; return the result's name."""
        (name,) = self.add_many(1, operation, *takes, gives=gives, **attributes)
        return name

    def add_many(self, count: int, operation: str, *takes: str, gives: str = "", **attributes: Any) -> list[str]:
        """Add an operation with `count` results; return their names."""
        names = [gives or self.name(operation) for _ in range(count)]
        self.nodes.append(helper.make_node(operation, takes, names, **attributes))
        return names

    def name(self, kind: str) -> str:
        """Make a name that no tensor has."""
        self._count[0] += 1
        return f"{kind}_{self._count[0]}"

    def split(self, tensor: str, widths: Sequence[int], axis: int) -> list[str]:
        """Cut a tensor along `axis` into pieces of `widths`."""
        return self.add_many(len(widths), "Split", tensor, self.ints(list(widths)), axis=axis)

    def reshape(self, tensor: str, *shape: int) -> str:
        """Reshape; 0 keeps the dimension that stands there, -1 takes what is left."""
        return self.add("Reshape", tensor, self.ints(list(shape)))

    def slice(self, tensor: str, axis: int, begin: int, end: int | None = None, step: int = 1) -> str:
        """Take `begin` to `end`, as Python's slices do, by a positive or negative step."""
        last = end if end is not None else (2**62 if step > 0 else -(2**62))
        return self.add("Slice", tensor, *(self.ints([value]) for value in (begin, last, axis, step)))

    def concat(self, tensors: Sequence[str], axis: int) -> str:
        """Put tensors side by side; one stays as it is."""
        return tensors[0] if len(tensors) == 1 else self.add("Concat", *tensors, axis=axis)

    def total(self, tensors: Sequence[str]) -> str:
        """Add tensors up, from the first to the last."""
        result = tensors[0]
        for tensor in tensors[1:]:
            result = self.add("Add", result, tensor)
        return result

    def constant(self, values: ArrayLike) -> str:
        """Add float32 weights."""
        return self._weight(np.asarray(values, np.float32, order="C"))

    def ints(self, values: ArrayLike) -> str:
        """Add int64 axes, sizes or places."""
        return self._weight(np.asarray(values, np.int64, order="C"))

    def cast(self, tensor: str, dtype: str) -> str:
        """Convert to the numpy dtype named."""
        return self.add("Cast", tensor, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def state(self, name: str, width: int, mask: str = "") -> str:
        """Ask for a state; return it as it is before the chunk, [1, rows, width]. `carry` what it is after.

        A timestep that `mask` masks does not change it; "" where every timestep may.
        """
        self._state_masks.add(self.masks.get(mask))
        taken = {state.name for state in self.states}
        # TensorFlow makes each state an argument of a signature, so its name must be an identifier.
        name = re.sub(r"\W|^(?=\d)", "_", name)
        numbered = (name if i == 0 else f"{name}_{i}" for i in itertools.count())
        self.states.append(State(name=next(n for n in numbered if n not in taken), units=width))
        return f"state_{len(self.states) - 1}"

    def carry(self, *after: str) -> None:
        """Say what states are after the chunk, [1, rows, width], in the order in which they were asked for."""
        self._next_states += after

    def pack_states(self, before: str, after: str) -> None:
        """Take all states from one row each, [rows, state_width], and give them so."""
        nodes, self.nodes = self.nodes, []
        rows = self.add("Unsqueeze", before, self.ints([0]))
        names = [f"state_{i}" for i in range(len(self.states))]
        widths = self.ints([state.units for state in self.states])
        self.nodes.append(helper.make_node("Split", [rows, widths], names, axis=2))
        self.nodes += nodes
        self.add("Squeeze", self.concat(self._next_states, 2), self.ints([0]), gives=after)

    def repeat(self, given: str, mask: str) -> None:
        """Note that `given` repeats, at a timestep that `mask` masks, what it is at the timestep before."""
        self._repeated[given] = self.masks.get(mask)

    def repeat_as(self, given: str, taken: Iterable[str]) -> None:
        """Note that `given`, made from `taken` at each timestep apart, repeats where all of them do."""
        values = {self._repeated.get(name) for name in taken}
        if len(values) == 1:
            self._repeated[given] = values.pop()

    def mask_value(self, answer: str) -> float | None:
        """Say which value masks a timestep that changes no state, and at which `answer` repeats; None where none does.

        Such a timestep can be left out before the graph runs.
        """
        value = self._repeated.get(answer)
        return value if self._state_masks == {value} else None

    def choose(self, condition: str, kinds: Sequence[int], then: "Branch", otherwise: "Branch") -> list[str]:
        """Write two ways to the same tensors, of the ONNX element types `kinds`; the bool [] `condition` takes one."""
        branches = {}
        for name, write in (("then_branch", then), ("else_branch", otherwise)):
            body = self.body()
            results = [body.add("Identity", each) for each in write(body)]
            values = [helper.make_tensor_value_info(n, kind, None) for n, kind in zip(results, kinds, strict=True)]
            branches[name] = helper.make_graph(body.nodes, name, [], values, body.weights)
        return self.add_many(len(kinds), "If", condition, **branches)

    def body(self) -> Self:
        """Begin the body of a loop: a graph of its own whose names are new here, and which sees the names here."""
        body = type(self)(stepwise=self.stepwise)
        body._count = self._count  # noqa: SLF001 - its own kind
        return body

    def _weight(self, array: np.ndarray) -> str:
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = self.name("weight")
            self.weights.append(numpy_helper.from_array(array, self._known[key]))
        return self._known[key]
