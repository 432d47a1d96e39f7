"""The tensors that a model's author named, and where each stands in the one array that Carousel runs.

An engine takes one array a sequence, [timesteps, width] (or [timesteps] of tokens), and gives one, [timesteps, width].
The author of a model may have named several of each, with shapes of their own. They stand side by side, a column each:

    tensor, as declared             column
    [batch, timesteps, 5]           5 wide, another row at each timestep
    [batch, timesteps, 8, 8, 3]     192 wide, the same
    [batch, 7]                      7 wide, repeated at every timestep; read back from the last one
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from carousel.errors import Violation, shortened
from carousel.tensors import Samples, TensorSpec, describe

MAX_PACKED_BYTES = 256 << 20
"""Of all samples of a request, side by side: what has no timesteps is sent once, and repeated at every timestep."""

_EXACT = 1 << 24
"""The largest whole number up to which float32 holds every one."""


@dataclass(frozen=True, slots=True)
class Column:
    """One of the author's tensors.

    Attributes:
        spec: Its name, dtype and shape [batch, ...] as the author declared them.
        begin, end: Its place in the last axis of the one array.
        timewise: Whether it has the timesteps of the sequence: [batch, timesteps, ...].
    """

    spec: TensorSpec
    begin: int
    end: int
    timewise: bool

    @property
    def features(self) -> tuple[int, ...]:
        """Shape of one timestep; of the whole where it has no timesteps."""
        return tuple(dim for dim in self.spec.shape[1 + self.timewise :] if dim is not None)


@dataclass(frozen=True)
class Layout:
    """Every input of a model, or every output, in the author's order.

    Attributes:
        columns: Where each stands.
        dtype: Of the one array.
        timesteps: Of the one array; None where they may vary.
        tokens: Whether the one array is [timesteps] instead of [timesteps, width].
    """

    columns: tuple[Column, ...]
    dtype: str = "float32"
    timesteps: int | None = None
    tokens: bool = False

    # Every request is held against these: they are worked out once.
    @cached_property
    def specs(self) -> tuple[TensorSpec, ...]:
        """What the author declared, in order."""
        return tuple(column.spec for column in self.columns)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The author's names, in order."""
        return tuple(column.spec.name for column in self.columns)

    @cached_property
    def width(self) -> int:
        """Elements of one timestep of the one array."""
        return self.columns[-1].end

    @cached_property
    def timestep_bytes(self) -> int:
        """The fewest bytes of a message that holds one timestep."""
        return max(1, sum(c.end - c.begin for c in self.columns if c.timewise))

    def size_of(self, tensors: Mapping[str, Samples]) -> int:
        """Count the bytes of one sample side by side: what has no timesteps is repeated at each."""
        steps = max(
            (len(tensors[c.spec.name]) for c in self.columns if c.timewise and c.spec.name in tensors), default=1
        )
        return steps * self.width * np.dtype(self.dtype).itemsize

    @property
    def batch(self) -> int | None:
        """The one batch size that the author declared; None where any will do."""
        return self.columns[0].spec.shape[0] if self.columns[0].spec.shape else None

    def timewise(self, names: Iterable[str] | None = None) -> bool:
        """Whether any tensor of these names, or of all, has the sequence's timesteps."""
        chosen = set(self.names if names is None else names)
        return any(column.timewise for column in self.columns if column.spec.name in chosen)

    def of_any_length(self) -> "Layout":
        """Give the same with any number of timesteps."""
        columns = [
            replace(c, spec=replace(c.spec, shape=(c.spec.shape[0], None, *c.spec.shape[2:]))) if c.timewise else c
            for c in self.columns
        ]
        return replace(self, columns=tuple(columns), timesteps=None)

    def pack(self, tensors: Mapping[str, Samples], faults: list[Violation], packed: int = 0) -> Samples | None:
        """Check one sample and put its tensors side by side.

        Args:
            tensors: Each of the author's tensors by name, in its declared shape without the batch.
            faults: Every fault is added here, its field the tensor's name with ".shape" or ".dtype" or nothing after.
            packed: Bytes of the same request's samples that were packed before; MAX_PACKED_BYTES holds for all.

        Returns:
            The one array, without a copy where one tensor is all there is; None where there are faults.
        """
        before = len(faults)
        for name in tensors.keys() - set(self.names):
            found = f"is no input of the model; it takes {', '.join(self.names)}"
            faults.append(Violation(shortened(name), found))
        for column in self.columns:
            name = column.spec.name
            if name not in tensors:
                faults.append(Violation(name, f"is missing: expected {column.spec}"))
            else:
                faults += self._faults(column, tensors[name])
        lengths = {len(tensors[c.spec.name]): c.spec.name for c in self.columns if c.timewise and len(faults) == before}
        if len(lengths) > 1:
            found = ", ".join(f"{name} has {length}" for length, name in lengths.items())
            faults.append(Violation(next(iter(lengths.values())), f"differs in timesteps from another input: {found}"))
        if len(faults) == before and packed + self.size_of(tensors) > MAX_PACKED_BYTES:
            found = f"takes more than {MAX_PACKED_BYTES} bytes side by side with what is repeated at every timestep"
            faults.append(Violation(self.names[0], found))
        return self.join(tensors) if len(faults) == before else None

    def pack_batch(self, tensors: Mapping[str, Samples], faults: list[Violation]) -> list[Samples]:
        """Do as `pack` for each sample of tensors [batch, ...], whatever batch the author declared."""
        sizes = {len(tensor) if tensor.ndim else 0 for tensor in tensors.values()}
        if len(sizes) > 1 or 0 in sizes:
            found = ", ".join(f"{shortened(name)} is {describe(tensor.shape)}" for name, tensor in tensors.items())
            faults.append(Violation(next(iter(tensors)), f"expected one batch size, at least 1, for all: {found}"))
            return []
        packed: list[Samples] = []
        for i in range(max(sizes, default=1)):
            before = sum(each.nbytes for each in packed[-1:]) * len(packed)  # all have one size
            sample = self.pack({name: tensor[i] for name, tensor in tensors.items()}, faults, before)
            if sample is None:
                return []
            packed.append(sample)
        return packed

    def join(self, tensors: Mapping[str, Samples]) -> Samples:
        """Put the tensors of one sample, each without its batch, side by side.

        Raises:
            ValueError: They have not the declared features, or not the same timesteps.
        """
        steps = next((len(tensors[c.spec.name]) for c in self.columns if c.timewise), 1)
        shape = (steps,) if self.tokens else (steps, self.width)
        if len(self.columns) == 1:
            return np.reshape(tensors[self.columns[0].spec.name], shape).astype(self.dtype, copy=False)
        joined = np.empty(shape, self.dtype)
        for column in self.columns:
            rows = steps if column.timewise else 1
            joined[:, column.begin : column.end] = np.reshape(tensors[column.spec.name], (rows, -1))
        return joined

    def split(self, joined: Samples, names: Iterable[str] | None = None) -> dict[str, Samples]:
        """Take the tensors of one sample apart: those of `names`, or all, each as declared without its batch.

        Args:
            joined: The one array; its last timestep [width] alone will do where no tensor of `names` is timewise.
            names: Of what is wanted.
        """
        wanted = set(self.names if names is None else names)
        rows = joined if joined.ndim > 1 or self.tokens else joined[np.newaxis]
        apart = {}
        for column in self.columns:
            if column.spec.name in wanted:
                part = rows if self.tokens else rows[:, column.begin : column.end]
                shaped = (
                    part.reshape(len(rows), *column.features) if column.timewise else part[-1].reshape(column.features)
                )
                apart[column.spec.name] = shaped.astype(column.spec.dtype, copy=False)
        return apart

    def split_batch(self, joined: Sequence[Samples], names: Iterable[str] | None = None) -> dict[str, Samples]:
        """Do as `split` for several samples, each tensor [batch, ...]. ValueError where their timesteps differ."""
        samples = [self.split(each, names) for each in joined]
        return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}

    def _faults(self, column: Column, tensor: Samples) -> list[Violation]:
        name, expected = column.spec.name, column.spec.shape[1:]
        if len(tensor.shape) != len(expected) or any(
            dim not in {None, found} for dim, found in zip(expected, tensor.shape, strict=True)
        ):
            found = f"is {describe(tensor.shape)}, expected {describe(expected)}"
            return [Violation(f"{name}.shape", found)]
        dtype = column.spec.dtype
        if tensor.dtype.kind not in _TAKEN_FOR[np.dtype(dtype).kind]:
            return [Violation(f"{name}.dtype", f"is {tensor.dtype}, expected {dtype}")]
        whole = self.tokens or not dtype.startswith("float")
        if whole and tensor.dtype.kind == "f" and bool((tensor != np.floor(tensor)).any()):
            return [Violation(name, "holds a fraction, expected whole numbers")]
        if self.dtype == "float32" and tensor.dtype.kind in "iu" and bool((np.abs(tensor) > _EXACT).any()):
            return [Violation(name, f"holds a whole number above {_EXACT}, which float32 does not hold exactly")]
        return []


def layout_of(specs: Sequence[TensorSpec], *, taken: bool) -> Layout:
    """Lay tensors that a SavedModel declares side by side.

    Args:
        specs: Each [batch, ...], in the author's order.
        taken: Whether they are inputs: whole numbers [batch, n] are tokens then, and so is what has a dimension that
            varies after the batch.

    Raises:
        ValueError: They cannot stand side by side; says which and why.
    """
    if not specs:
        raise ValueError("there is none")
    for spec in specs:
        if spec.dtype == "string":
            raise ValueError(
                f"{spec}: strings are not served. Save the layers that follow TextVectorization or StringLookup as a "
                "model of their own, and send the tokens that these give"
            )
        if spec.dtype not in _NUMBERS:
            raise ValueError(f"{spec}: only numbers are served")
        if None in spec.shape[2:]:
            raise ValueError(f"{spec}: a dimension after the timesteps is not known")
    sequences = [spec for spec in specs if _has_timesteps(spec, taken=taken)]
    lengths = {spec.shape[1] for spec in sequences}
    if len(lengths) > 1:
        if None in lengths:
            raise ValueError(f"{', '.join(map(str, sequences))}: their timesteps are not the same")
        sequences = []  # all sizes are known, so all can stand side by side as what has no timesteps
    (only, *more) = specs
    if not more and sequences and len(only.shape) == 2 and _whole(only) and taken:
        return tokens_layout(only)
    columns, begin = [], 0
    for spec in specs:
        timewise = spec in sequences
        end = begin + math.prod(dim for dim in spec.shape[1 + timewise :] if dim is not None)
        columns.append(Column(spec, begin, end, timewise))
        begin = end
    return Layout(tuple(columns), "float32", sequences[0].shape[1] if sequences else 1)


def tokens_layout(spec: TensorSpec) -> Layout:
    """Lay out one input [batch, timesteps] of tokens, of whatever type its author declared."""
    return Layout(
        (Column(spec, 0, 1, timewise=True),), "int64" if spec.dtype == "int64" else "int32", spec.shape[1], tokens=True
    )


def _has_timesteps(spec: TensorSpec, *, taken: bool) -> bool:
    if len(spec.shape) == 2:
        return spec.shape[1] is None or (taken and _whole(spec))
    return len(spec.shape) > 2


def _whole(spec: TensorSpec) -> bool:
    return np.dtype(spec.dtype).kind in "iu"


_TAKEN_FOR = {"f": "fiu", "i": "iuf", "u": "iuf", "b": "biu"}
"""Kinds of numbers that are taken for each kind: whole numbers for floats, and floats for whole numbers if they are."""

_NUMBERS = {"float32", "float64", "float16", "int32", "int64", "int16", "int8", "uint8", "bool"}
