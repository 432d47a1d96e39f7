"""What tests stand on: an engine whose every number is known, and a call without a socket."""

import math
from collections.abc import Callable

import numpy as np

from carousel.batching.costs import TICK, Costs
from carousel.tensors import Floats
from carousel.transport import Status


class FakeEngine:
    """A running sum: each output is the sum of all inputs so far, exact in float32 for small whole numbers.

    Any fault in slots, chunks or order changes an exact number.

    Attributes:
        runs: (steps, rows) of every run.
    """

    name = "fake"

    def __init__(self, input_dim: int = 1) -> None:
        self.input_dim = input_dim
        self.runs: list[tuple[int, int]] = []

    def run(self, inputs: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Add up: inputs [steps, rows, input_dim], state [rows, input_dim]."""
        self.runs.append(inputs.shape[:2])
        outputs = state + np.cumsum(inputs, axis=0, dtype=np.float32)
        return outputs, outputs[-1].copy()


def flat_costs(rows: int = 4, steps: int = 8) -> Costs:
    """Say that `rows` may ride at most, `steps` a tick, and that every tick of them takes the same."""
    step = TICK / (steps + 0.5)
    return Costs(0.0, dict.fromkeys((1, rows), step))


class FakeCall:
    """Stands for a transport's Call, and keeps what was answered."""

    def __init__(self, method: str = "/test/Test", deadline: float = math.inf) -> None:
        self.method = method
        self.deadline = deadline
        self.metadata: tuple[tuple[str, str | bytes], ...] = ()
        self.began = 0.0
        self.done = False
        self.unsent = 0
        self.on_cancel: Callable[[], None] | None = None
        self.on_sent: Callable[[], None] | None = None
        self.replies: list[bytes] = []
        self.status: Status | None = None
        self._then: Callable[[bytes | None], None] | None = None

    def reply(self, message: bytes) -> None:
        """Keep the answer."""
        self.replies.append(message)
        self._end(Status(0))

    def send(self, message: bytes) -> None:
        """Keep one answer."""
        if not self.done:
            self.replies.append(message)

    def fail(self, status: Status) -> None:
        """Keep the status."""
        if not self.done:
            self._end(status)

    def finish(self) -> None:
        """End with OK."""
        if not self.done:
            self._end(Status(0))

    def receive(self, then: Callable[[bytes | None], None]) -> None:
        """Remember who wants the next message."""
        self._then = then

    def arrive(self, message: bytes | None) -> None:
        """Let a message, or None for the half-close, arrive."""
        then, self._then = self._then, None
        assert then is not None, "nobody asked for a message"
        then(message)

    @property
    def asked(self) -> bool:
        """Whether somebody wants the next message."""
        return self._then is not None

    def cancel(self) -> None:
        """Let the client go away."""
        if not self.done and self.on_cancel is not None:
            on_cancel = self.on_cancel
            self._end(Status(1))
            on_cancel()

    def _end(self, status: Status) -> None:
        self.done = True
        self.status = status
        self.on_cancel = self.on_sent = None
