"""A live sequence: one left open. Each message rides as a sequence that starts where its predecessor ended."""

from collections import deque
from collections.abc import Callable

from carousel.batching import Sequence
from carousel.serving.model import Model
from carousel.tensors import Floats

Answered = Callable[["Session", Sequence], None]


class Session:
    """The state of one live sequence on the server, and the messages that wait for it. Of the loop's thread alone.

    A new timestep costs one timestep, whatever came before; since chunks change no bit, the answers are those of one
    unary call with all the steps.

    Attributes:
        state: float32 [state_width] after every message answered so far; None is all zeros.
        timesteps: Taken so far, those before a snapshot it began from included.
        touched: When it was last fed or answered, in seconds on the loop's clock.
        model: The version it rides on, from beginning to end.
    """

    __slots__ = ("_answered", "_pending", "_running", "model", "return_sequences", "state", "timesteps", "touched")

    def __init__(
        self,
        model: Model,
        answered: Answered,
        now: float,
        *,
        return_sequences: bool = False,
        state: Floats | None = None,
        timesteps: int = 0,
    ) -> None:
        """Open on `model`; `answered` is called with each message's ride, in order, once `state` is up to date."""
        self.model = model
        self.return_sequences = return_sequences
        self.state = state
        self.timesteps = timesteps
        self.touched = now
        self._answered = answered
        self._pending: deque[Sequence] = deque()
        self._running: Sequence | None = None
        model.sessions[self] = None
        model.counters.sessions_opened += 1

    @property
    def idle(self) -> bool:
        """Whether every message was answered."""
        return self._running is None

    def feed(self, inputs: Floats, now: float, trace: str = "") -> Sequence:
        """Let new timesteps, float32 [timesteps, input_dim], ride after those before; return their ride."""
        self.touched = now
        ride = Sequence(inputs, self._done, return_sequences=self.return_sequences, return_state=True, trace=trace)
        self._pending.append(ride)
        if self._running is None:
            self._next()
        return ride

    def close(self, reason: str) -> None:
        """Give up the state and whatever has not ridden yet. `reason` is counted."""
        if self in self.model.sessions:
            del self.model.sessions[self]
            self.model.counters.sessions_closed[reason] += 1
        self._pending.clear()
        if self._running is not None:
            self.model.cancel(self._running)
            self._running = None

    def _next(self) -> None:
        self._running = ride = self._pending.popleft()
        ride.state = self.state
        self.model.resume(ride)

    def _done(self, ride: Sequence) -> None:
        self._running = None
        self.model.counters.answered(ride.finished - ride.arrived, failed=ride.error is not None)
        if ride.error is None:
            self.state = ride.state
            self.timesteps += ride.timesteps
            if self._pending:
                self._next()
        self._answered(self, ride)
