"""What one tick runs: some timesteps of some sequences, side by side, nothing padded."""

from dataclasses import dataclass

import numpy as np

from carousel.batching.sequence import Sequence
from carousel.batching.slots import Slots
from carousel.tensors import Floats, Samples


@dataclass(slots=True)
class Batch:
    """One tick. Every row has a real timestep at every position.

    Attributes:
        sequences: The rows, in order.
        steps: Timesteps of each row.
        state: float32 [rows, state_width], the rows' states before the tick.
        predicted: What the cost model says the engine will take, in seconds.
        lane: The slots that its rows hold.
    """

    sequences: list[Sequence]
    steps: int
    state: Floats
    predicted: float
    lane: Slots

    def inputs(self) -> Samples:
        """Gather the timesteps, [steps, rows, ...] of the sequences' own dtype."""
        steps, sequences = self.steps, self.sequences
        if len(sequences) == 1:
            (only,) = sequences
            return only.inputs[only.taken : only.taken + steps, np.newaxis]
        like = sequences[0].inputs
        gathered = np.empty((steps, len(sequences), *like.shape[1:]), like.dtype)
        for row, sequence in enumerate(sequences):
            gathered[:, row] = sequence.inputs[sequence.taken : sequence.taken + steps]
        return gathered
