"""The timesteps of one sample on their way through one model."""

import itertools
import math
from collections.abc import Callable

import numpy as np

from carousel.batching.masked import Places, leave_out
from carousel.batching.share import Share
from carousel.errors import CarouselError
from carousel.tensors import Floats, Samples

_numbers = itertools.count()


class Sequence:
    """One sample on its way through one model; it carries its own progress.

    Attributes:
        inputs: float32 [timesteps, input_dim], or tokens [timesteps]; of those that run.
        return_sequences: Whether every timestep's output is wanted, or the last one's alone.
        return_state: Whether the final state is wanted.
        state: Where it stands when it is not in a slot: the row it starts from, the row it was parked with, and, with
            return_state, its final row once it is done. float32 [state_width]; None is all zeros.
        deadline: Seconds on the scheduler's clock, after which the answer is not wanted any more.
        arrived, started, finished: Seconds on the same clock; 0.0 until it happened.
        sent: Timesteps of the sample.
        timesteps: Those that run: masked ones are left out.
        taken: Timesteps run.
        remaining: Timesteps left.
        due: Seconds on the same clock; the sooner, the sooner it runs. Of the scheduler alone.
        number: In the order in which sequences were made.
        output: float32 [units], or [sent, units] with return_sequences, as many as it gives; valid once done.
        error: Why it has no answer; None while it runs and when it succeeded.
        trace: The id of the trace that its request is part of; "" without one.
        client: Whose it is: rows are shared out among clients.
        repeats: For each timestep sent, which of those that run it repeats the output of; None where all run.
        share: What its client has in the scheduler it was added to. Of the scheduler alone.
        gone: It left before it was done; it takes no further part in any tick.
        done: Called exactly once, when the answer or the error is there, unless the sequence was cancelled.
    """

    __slots__ = (
        "arrived",
        "client",
        "deadline",
        "done",
        "due",
        "error",
        "finished",
        "gone",
        "inputs",
        "number",
        "output",
        "remaining",
        "repeats",
        "return_sequences",
        "return_state",
        "sent",
        "share",
        "started",
        "state",
        "taken",
        "timesteps",
        "trace",
    )

    def __init__(
        self,
        inputs: Samples,
        done: "Callable[[Sequence], None]",
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        state: Floats | None = None,
        mask_value: float | None = None,
        deadline: float = math.inf,
        trace: str = "",
        client: str = "",
    ) -> None:
        """Run what `inputs` hold; see the attributes, and `leave_out` for `mask_value`."""
        self.sent = len(inputs)
        self.repeats: Places | None = None
        if mask_value is not None:
            inputs, self.repeats = leave_out(inputs, mask_value)
        self.inputs = inputs
        self.done = done
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.state = state
        self.deadline = deadline
        self.trace = trace
        self.client = client
        self.share: Share
        self.timesteps = self.remaining = len(inputs)
        self.taken = 0
        self.arrived = self.started = self.finished = 0.0
        self.due = math.inf
        self.output: Floats | None = None
        self.error: CarouselError | None = None
        self.gone = False
        self.number = next(_numbers)

    @property
    def over(self) -> bool:
        """Whether it takes no further part: done, failed or cancelled."""
        return self.gone or not self.remaining

    def take(self, outputs: Floats, row: int, steps: int) -> None:
        """Take the outputs of `steps` timesteps: `row` of `outputs`, float32 [steps, rows, units].

        A whole model, which runs all its timesteps at once, may give another number of them.
        """
        if steps == self.timesteps:
            self.output = (outputs[:, row] if self.return_sequences else outputs[-1, row]).copy()
        elif self.return_sequences:
            if self.output is None:
                self.output = np.empty((self.timesteps, outputs.shape[2]), np.float32)
            self.output[self.taken : self.taken + steps] = outputs[:, row]
        elif steps >= self.remaining:
            self.output = outputs[-1, row].copy()
        self.taken += steps
        self.remaining -= steps
        if self.repeats is not None and self.return_sequences and not self.remaining:
            assert self.output is not None
            self.output = self.output[self.repeats]
