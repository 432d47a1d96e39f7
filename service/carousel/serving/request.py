"""The neck of the house: every request of every protocol is found, admitted, checked, submitted and answered here.

A protocol's room reads a message into a `Request` and writes a `Pending` as its answer; what lies between is the same
for all of them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from carousel.batching import Sequence
from carousel.errors import CarouselError, InvalidRequest, Overloaded, Violation
from carousel.serving.catalog import Catalog
from carousel.serving.faults import unexpected
from carousel.serving.inputs import Tensors
from carousel.serving.model import Model
from carousel.serving.validation import Limits
from carousel.serving.version import Version
from carousel.tensors import FLOAT32

ITEM = FLOAT32.itemsize
_HELD_FOR_FREE = 8  # bytes that a client may hold for each byte that is free


@dataclass(slots=True)
class Request:
    """One request for whole sequences, in the words of no protocol.

    Attributes:
        model: The model's name.
        version: Its version; 0 is the newest that is served.
        label: A label instead of a version; "" for none.
        samples: How many sequences it holds.
        lengths: Gives the timesteps of each as the message's shapes say, before anything else is read.
        size: Bytes of the message; more timesteps than fit into it are not believed.
        wants_sequences: Whether every timestep's output is wanted, so far as that is known before reading.
        read: Reads the tensors against the version that was found.
        deadline: Seconds on the loop's clock; inf where there is none.
        trace: The id of the trace that the request is part of; "" without one.
        client: Whose it is, for fair shares.
        signature: Which of the version's `others` runs it; any other name is what the version is served by.
        named: Whether its tensors come by the names of the model's author: what has no timesteps is sent once then.
    """

    model: str
    version: int
    label: str
    samples: int
    lengths: Callable[[], list[int]]
    size: int
    wants_sequences: bool
    read: Callable[[Version], Tensors]
    deadline: float = math.inf
    trace: str = ""
    client: str = ""
    signature: str = ""
    named: bool = False


class Pending:
    """A request that was let in: answered when its last sequence is done, failed with the first that fails.

    Attributes:
        version: What runs it.
        tensors: What was read.
        sequences: One an input, in order.
        held: Bytes of its inputs and of its predicted answer.
    """

    __slots__ = (
        "_answer",
        "_client",
        "_fail",
        "_left",
        "_model",
        "_requests",
        "held",
        "sequences",
        "tensors",
        "version",
    )

    def __init__(
        self,
        requests: "Requests",
        model: Model,
        client: str,
        held: int,
        answer: "Callable[[Pending], None]",
        fail: Callable[[CarouselError], None],
    ) -> None:
        self._requests = requests
        self._model = model
        self._client = client
        self._answer = answer
        self._fail = fail
        self._left = 0
        self.version = model.version
        self.held = held
        self.tensors: Tensors
        self.sequences: list[Sequence] = []

    def submit(self, tensors: Tensors, deadline: float, trace: str, client: str) -> None:
        """Let the sequences wait for their first tick."""
        self.tensors = tensors
        self.sequences = [
            Sequence(
                steps,
                self._take,
                return_sequences=tensors.return_sequences,
                return_state=tensors.return_state,
                mask_value=self.version.signature.mask_value,
                deadline=deadline,
                trace=trace,
                client=client,
            )
            for steps in tensors.inputs
        ]
        if tensors.starts:
            for sequence, start in zip(self.sequences, tensors.starts, strict=True):
                sequence.state = start.state
        self._left = len(self.sequences)
        self._model.submit(self.sequences)

    def abandon(self) -> None:
        """Do no more of the work, and answer no more."""
        if self._left:
            self._left = 0
            self._requests.release(self._client, self.held)
            for sequence in self.sequences:
                self._model.cancel(sequence)

    def _take(self, sequence: Sequence) -> None:
        if not self._left:
            return  # it was failed or abandoned already
        error = sequence.error
        if error is not None:
            self.abandon()
        else:
            self._left -= 1
            if self._left:
                return
            self._requests.release(self._client, self.held)
        self._model.counters.answered(sequence.finished - sequence.arrived, failed=error is not None)
        if error is None:
            try:
                self._answer(self)
            except Exception as bug:  # noqa: BLE001 - whatever a writer raises, the caller gets an answer
                error = unexpected(bug, f"the answer of {self.version} could not be written")
        if error is not None:
            self._fail(error)


class Requests:
    """Takes the requests for whole sequences. Of the loop's thread alone.

    Attributes:
        held_bytes: Inputs and predicted answers of what is admitted and not answered.
    """

    def __init__(self, catalog: Catalog, limits: Limits) -> None:
        self._catalog = catalog
        self._limits = limits
        self.held_bytes = 0
        self._held: dict[str, int] = {}  # by client

    def submit(
        self, request: Request, answer: Callable[[Pending], None], fail: Callable[[CarouselError], None]
    ) -> Pending:
        """Let a request in: exactly one of `answer` and `fail` is called, once, unless it is abandoned.

        Refused before working: by the shapes alone, before anything else of the message is looked at.

        Raises:
            ModelNotFound, Overloaded, GoingAway, InvalidRequest, NotStateful, SnapshotRefused: It is refused; neither
                `answer` nor `fail` is called then.
        """
        model = self._catalog.find(request.model, request.version, request.label)
        model = model.others.get(request.signature, model)
        try:
            held = self._admit(request, model)
            tensors = request.read(model.version)
            tensors.checked(model.version, self._limits)
        except CarouselError:
            model.counters.requests_failed += 1
            raise
        pending = Pending(self, model, request.client, held, answer, fail)
        self._hold(request.client, held)
        pending.submit(tensors, request.deadline, request.trace, request.client)
        return pending

    def release(self, client: str, held: int) -> None:
        """Take note that a request of `client` is over, which held so many bytes."""
        self._hold(client, -held)

    def _hold(self, client: str, size: int) -> None:
        self.held_bytes += size
        held = self._held[client] = self._held.get(client, 0) + size
        if not held:
            del self._held[client]

    def _admit(self, request: Request, model: Model) -> int:
        """Refuse by shapes alone; return the bytes that the request will hold."""
        limits, signature, samples = self._limits, model.version.signature, request.samples
        if samples > limits.samples:
            found = f"holds {samples} sequences, the limit is {limits.samples} (max_samples)"
            raise InvalidRequest((Violation("inputs", found),))
        # No message holds more timesteps than fit into it, whatever its shapes say.
        each = signature.takes.timestep_bytes if request.named else ITEM * (signature.input_dim or 1)
        believed = request.size // each
        lengths = request.lengths()
        sequences = request.wants_sequences and signature.sequence is not None
        timesteps = max(0, min(believed, sum(lengths)))
        longest = max(0, min(believed, max(lengths, default=0)))
        taken = ITEM * timesteps * (signature.input_dim or 1) if request.named else request.size
        held = taken + self._reply_bytes(timesteps if sequences else samples, signature.units)
        self._bound(request.client, held)
        model.admit(request.client, samples, timesteps, longest, request.deadline)
        return held

    def _bound(self, client: str, size: int) -> None:
        """Refuse what would hold too many bytes: a client may hold eight times what it leaves free for the others.

        This way (Choudhury and Hahne's dynamic thresholds, 1998) there is always room for one who holds little.
        """
        own, free = self._held.get(client, 0), self._limits.held_bytes - self.held_bytes
        if self.held_bytes and (size > free or (own and own + size > _HELD_FOR_FREE * (free - size))):
            raise Overloaded(
                f"requests of {self.held_bytes} bytes wait for their answers, {own} of them this client's, this one "
                f"needs {size} more, and the limit is {self._limits.held_bytes} (max_held_bytes)"
            )

    def _reply_bytes(self, outputs: int, units: int) -> int:
        """Predict the size of an answer of so many outputs, in bytes, and refuse one that is too large."""
        reply, limit = ITEM * outputs * units, self._limits.reply_bytes
        if reply > limit:
            found = (
                f"the answer would have {reply} bytes, the limit is {limit} (max_reply_bytes): send fewer timesteps "
                "in a request, or ask for the last step"
            )
            raise InvalidRequest((Violation("return_sequences", found),))
        return reply
