"""The contract between an engine and everything above it."""

from typing import Protocol

from carousel.tensors import Floats, Samples


class Engine(Protocol):
    """Runs a chunk: some timesteps of some rows, from their states to their next states.

    Attributes:
        name: As settings, metrics and the log say it.
        batch_invariant: Whether it promises that no batch-mate, row or chunk boundary changes a bit of an answer. The
            promise is checked at load.
        chunkable: Whether a sequence may be cut in time: its state is given and taken with each run. If not, every run
            is of whole sequences.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - said above

    @property
    def batch_invariant(self) -> bool: ...  # noqa: D102 - said above

    @property
    def chunkable(self) -> bool: ...  # noqa: D102 - said above

    def run(self, inputs: Samples, state: Floats) -> tuple[Floats, Floats]:
        """Advance every row by every timestep.

        Args:
            inputs: [timesteps, rows, ...] of the signature's dtype, time-major, at least one timestep and one row.
            state: float32 [rows, state_width]; zeros where a sequence begins. [rows, 0] where it is not chunkable.

        Returns:
            outputs: float32 [timesteps, rows, units]; of a whole model, as many timesteps as it gives, or
                [1, rows, units] where it gives only its last step. `outputs[-1]` is the last step. The caller owns
                them.
            state: float32 [rows, state_width] after the last timestep.
        """
        ...
