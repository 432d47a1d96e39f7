"""A live sequence: its state on the server. Each message is a sequence that starts where the one before it ended."""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Protocol

from carousel.artifact import Signature
from carousel.batching import Sequence
from carousel.errors import CarouselError
from carousel.serving.faults import unexpected
from carousel.serving.inputs import Start
from carousel.serving.model import Model
from carousel.serving.snapshot import write_snapshot
from carousel.tensors import Samples


class Holder(Protocol):
    """Holds a live sequence for a client, in the words of one protocol."""

    def answered(self, session: "Session", sequence: Sequence, context: Any) -> None:
        """Answer one message, in the order of feeding; `context` is what was fed with it."""

    def failed(self, session: "Session", error: CarouselError, contexts: list[Any]) -> None:
        """Answer the message that failed and all that were fed after it; the session has ended."""

    def expired(self, session: "Session", idle_seconds: float) -> None:
        """End the session: it was idle for too long."""

    def sent_away(self, session: "Session") -> None:
        """End the session: its version or the server goes away, and every message is answered."""


class Session:
    """One live sequence on the server, and the messages that wait for their answers. Of the loop's thread alone.

    A new timestep costs one timestep, whatever came before; since chunks change no bit, the answers are those of one
    unary call with all the timesteps.

    Attributes:
        model: The version it runs on, from beginning to end.
        scope: Whose it is: a stream, or the name of a model whose sequences have ids.
        key: Its name there.
        client: Whose its timesteps are, for fair shares: who opened it.
        holder: Who answers its client.
        mask_value: What masks timesteps of its messages that are left out before they run; None where none are.
        state: float32 [state_width] after every message answered so far; None is all zeros.
        timesteps: Taken so far, those before a snapshot it began from included.
        outputs: What its client wants by name; none where answers have no names.
        touched: When it was last fed or answered, in seconds on the loop's clock.
        leaving: Why it takes no more messages, while those fed before still run; None while it takes them.
    """

    __slots__ = (
        "_fed",
        "_touch",
        "client",
        "holder",
        "key",
        "leaving",
        "mask_value",
        "model",
        "outputs",
        "return_sequences",
        "scope",
        "state",
        "timesteps",
        "touched",
    )

    def __init__(
        self,
        model: Model,
        holder: Holder,
        scope: Hashable,
        key: Hashable,
        start: Start,
        *,
        return_sequences: bool,
        client: str,
        touch: "Callable[[Session], float]",
        outputs: tuple[str, ...] = (),
    ) -> None:
        """Begin; `touch` is called whenever it is fed or answered, and gives the time, in seconds on a clock."""
        self.model = model
        self.holder = holder
        self.scope = scope
        self.key = key
        self.client = client
        self.outputs = outputs
        self.return_sequences = return_sequences
        self.mask_value = model.version.signature.mask_value
        self.state = start.state
        self.timesteps = start.timesteps
        self._touch = touch
        self.touched = touch(self)
        self.leaving: CarouselError | None = None
        self._fed: deque[tuple[Sequence, Any]] = deque()  # the first of them runs

    @property
    def accepts(self) -> Signature:
        """What its messages may hold."""
        return self.model.version.signature

    @property
    def idle(self) -> bool:
        """Whether every message was answered."""
        return not self._fed

    @property
    def snapshot(self) -> bytes:
        """Pack where it stands; empty before its first timestep."""
        if self.state is None:
            return b""
        return write_snapshot(self.model.version.fingerprint, self.timesteps, self.state)

    def feed(self, inputs: Samples, context: Any, trace: str = "") -> None:
        """Run new timesteps, [timesteps, ...] as the signature says, after those before."""
        self.touched = self._touch(self)
        sequence = Sequence(
            inputs,
            self._done,
            return_sequences=self.return_sequences,
            return_state=True,
            mask_value=self.mask_value,
            trace=trace,
            client=self.client,
        )
        self._fed.append((sequence, context))
        if len(self._fed) == 1:
            self._run()

    def drop(self) -> list[Any]:
        """Give up what is not answered yet; return its contexts. Of `Sessions` alone."""
        if self._fed:
            self.model.cancel(self._fed[0][0])
        contexts = [context for _, context in self._fed]
        self._fed.clear()
        return contexts

    def _run(self) -> None:
        sequence = self._fed[0][0]
        sequence.state = self.state
        self.model.submit([sequence])

    def _done(self, sequence: Sequence) -> None:
        self.touched = self._touch(self)
        error = sequence.error
        self.model.counters.answered(sequence.finished - sequence.arrived, failed=error is not None)
        if error is None:
            _, context = self._fed.popleft()
            self.state = sequence.state
            self.timesteps += sequence.sent
            if self._fed:
                self._run()
            try:
                self.holder.answered(self, sequence, context)
            except Exception as bug:  # noqa: BLE001 - whatever a writer raises, the caller gets an answer
                error = unexpected(bug, f"an answer of {self.model.version} could not be written")
                self.holder.failed(self, error, [context, *self.drop()])
        else:
            self.holder.failed(self, error, self.drop())
