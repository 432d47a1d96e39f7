"""What a model is fitted to and judged by: sequences, what should be said of each, and what a baseline says."""

from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from carousel.tensors import Floats

Task = Literal["forecast", "classify"]


@dataclass(frozen=True, slots=True)
class Examples:
    """Sequences of one split.

    Attributes:
        inputs: The sequences, each float32 [timesteps, input_dim] and of its own length.
        targets: What should be said of each: float32 [examples, units] to forecast, int64 [examples] to classify.
        baseline: What the baseline says of each; like `targets`.
        at: When each target was (datetime64) or its number.
    """

    inputs: tuple[Floats, ...]
    targets: NDArray[Any]
    baseline: NDArray[Any]
    at: NDArray[Any]

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, slots=True)
class Splits:
    """A source's examples, none of whose rows is in two splits.

    Attributes:
        task: Whether numbers are forecast or classes told apart.
        outputs: Names of the target columns, or of the classes.
        baseline: What the baseline is called.
        train: To fit weights and scaling.
        validation: To decide when to stop.
        test: To judge, once.
    """

    task: Task
    outputs: tuple[str, ...]
    baseline: str
    train: Examples
    validation: Examples
    test: Examples

    @property
    def input_dim(self) -> int:
        """Features of a timestep."""
        return int(self.train.inputs[0].shape[1])
