"""What a model is fitted to and judged by: sequences, and what should be said of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from carousel_models.data.windows import Windows

Task = Literal["forecast", "classify"]


@dataclass(frozen=True, slots=True)
class Examples:
    """Sequences of one split.

    Attributes:
        inputs: The sequences, each of its own length: float32 [timesteps, input_dim], or tokens int32 [timesteps].
        targets: What should be said of each: float32 [examples, units] to forecast, int64 [examples] to classify.
        at: When each target was (datetime64) or its number.
        guesses: What baselines that need no fitting say of each, by their names; each like `targets`.
    """

    inputs: Sequence[NDArray[Any]]
    targets: NDArray[Any]
    at: NDArray[Any]
    guesses: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The timesteps of each sequence, int64 [examples]."""
        if isinstance(self.inputs, Windows):
            return np.broadcast_to(np.int64(self.inputs.timesteps), len(self))
        return np.array([len(sequence) for sequence in self.inputs])

    @property
    def by_length(self) -> list[NDArray[np.int64]]:
        """The numbers of the examples of each length, the shortest first."""
        if isinstance(self.inputs, Windows):
            return [np.arange(len(self))]
        lengths = self.lengths
        return [np.flatnonzero(lengths == length) for length in np.unique(lengths)]

    def stacked(self, examples: NDArray[np.int64]) -> NDArray[Any]:
        """Give the sequences of these numbers, which are of one length, as one array [examples, timesteps, ...]."""
        if isinstance(self.inputs, Windows):
            return self.inputs.stacked(examples)
        return np.stack([self.inputs[example] for example in examples])

    def rows(self) -> Iterator[NDArray[Any]]:
        """Give each row of the sequences once, in chunks [rows, ...]; windows share rows."""
        return self.inputs.rows() if isinstance(self.inputs, Windows) else iter(self.inputs)


@dataclass(frozen=True, slots=True)
class Splits:
    """A source's examples, none of whose rows is in two splits.

    Attributes:
        task: Whether numbers are forecast or classes told apart.
        outputs: Names of the target columns, or of the classes.
        train: To fit weights and scaling.
        validation: To decide by: when to stop, which settings are best.
        test: To judge, once, when all is decided.
        vocabulary: What each token stands for; empty where sequences are of numbers.
        missing: How many values of each column are missing, gaps in time included; empty where that is not known.
    """

    task: Task
    outputs: tuple[str, ...]
    train: Examples
    validation: Examples
    test: Examples
    vocabulary: tuple[str, ...] = ()
    missing: Mapping[str, int] = field(default_factory=dict)

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape of a sequence: [None, input_dim], or [None] for tokens; None is any length."""
        return (None, *self.train.inputs[0].shape[1:])
