"""Live sequences by sequence_id: the protocol's clients name one in each request, whatever call it comes on."""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import NamedTuple

from carousel.batching import Sequence
from carousel.errors import CarouselError, GoingAway, InvalidRequest, NotStateful, SessionExpired, Violation
from carousel.rpc.open_inference.infer_request import Question, Reader
from carousel.rpc.open_inference.infer_response import write_answer
from carousel.rpc.open_inference.versions import find
from carousel.serving import Catalog, Model, Roster, Session
from carousel.stubs.oip.open_inference_pb2 import ModelInferRequest, ModelInferResponse

_REMEMBERED = 4096
"""How many of the sequences that ended are remembered, to say why when someone goes on with one."""

_Key = tuple[str, int | str]


class Asked(NamedTuple):
    """One request that waits for its answer."""

    question: Question
    answer: Callable[[ModelInferResponse], None]
    fail: Callable[[CarouselError], None]


class Sequences:
    """The live sequences that have an id, each of one model: 7 and "7" are two of them."""

    def __init__(self, catalog: Catalog, reader: Reader, roster: Roster) -> None:
        self._catalog = catalog
        self._reader = reader
        self._open: dict[_Key, _Line] = {}
        self._ended: OrderedDict[_Key, CarouselError] = OrderedDict()
        self.roster = roster

    def feed(
        self,
        request: ModelInferRequest,
        sequence: int | str,
        trace: str,
        answer: Callable[[ModelInferResponse], None],
        fail: Callable[[CarouselError], None],
    ) -> None:
        """Let a request's timesteps ride after those before; a faulty request leaves the sequence as it was.

        Raises:
            InvalidRequest: The request has faults, or its sequence is not open, or is open and to be started.
            SessionExpired: The sequence was idle for too long.
            GoingAway: Its version is being unloaded.
            CarouselError: As `Catalog.find`, `Roster.admit`.
        """
        key = (request.model_name, sequence)
        line = self._open.get(key)
        model = find(self._catalog, request.model_name, request.model_version) if line is None else line.session.model
        question = self._reader.read(request, model)
        if question.parameters.start:
            line = self._start(key, line, model, question)
        elif line is None:
            raise self._ended.get(key) or _wrong(f"{sequence!r} is not open; its first request sets sequence_start")
        elif request.model_version not in {"", str(model.version.number)}:
            raise _wrong(f"{sequence!r} rides on version {model.version.number}, not {request.model_version}")
        if line.leaving is not None:
            raise line.leaving
        line.asked.append(Asked(question, answer, fail))
        if question.parameters.end:
            line.leaving = _wrong(f"{sequence!r} has ended; a new one begins with sequence_start")
        line.session.feed(question.steps[0], self.roster.touch(line), trace)

    def close(self, line: "_Line", why: CarouselError, reason: str) -> None:
        """Close a live sequence; who goes on with it is told why. `reason` is counted."""
        del self._open[line.key]
        self._ended[line.key] = why
        if len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)
        self.roster.forget(line)
        line.session.close(reason)

    def _start(self, key: _Key, line: "_Line | None", model: Model, question: Question) -> "_Line":
        if line is not None:
            raise _wrong(f"{key[1]!r} is open already; end it first, or start under another id")
        if not model.stateful:
            raise NotStateful(f"{model.version.name} cannot ride in chunks, so it cannot be live")
        if model.closing:
            raise GoingAway(f"{model.version.name} version {model.version.number} is being unloaded")
        self.roster.admit()
        line = _Line(key, self, model, question)
        self._ended.pop(key, None)
        self._open[key] = line
        self.roster.add(line)
        return line


class _Line:
    """One id: its session, and the requests that wait for their answers.

    Attributes:
        leaving: Why it takes no more requests, while what it was fed before rides on.
    """

    __slots__ = ("_sequences", "asked", "key", "leaving", "session")

    def __init__(self, key: _Key, sequences: Sequences, model: Model, question: Question) -> None:
        self._sequences = sequences
        self.key = key
        self.asked: deque[Asked] = deque()
        self.leaving: CarouselError | None = None
        # Which outputs are wanted may change from request to request; all timesteps hold the last one, too.
        self.session = Session(
            model,
            self._answered,
            sequences.roster.clock(),
            return_sequences=model.signature.sequence is not None,
            state=None if question.starts is None else question.starts[0],
        )

    def expire(self, idle: float) -> None:
        why = SessionExpired(f"sequence {self.key[1]!r} of {self.key[0]!r} was idle for {idle:.0f} s, and is gone")
        self._sequences.close(self, why, "SessionExpired")

    def send_away(self) -> None:
        version = self.session.model.version
        why = GoingAway(
            f"{version.name} version {version.number} is being unloaded; start sequence {self.key[1]!r} again"
        )
        self.leaving = self.leaving or why
        if self.session.idle:
            self._sequences.close(self, why, "going_away")

    def _answered(self, session: Session, ride: Sequence) -> None:
        asked = self.asked.popleft()
        if ride.error is not None:
            why = _wrong(f"{self.key[1]!r} ended by an error: {ride.error}")
            self._sequences.close(self, why, type(ride.error).__name__)
            for each in (asked, *self.asked):
                each.fail(ride.error)
            return
        if self.leaving is not None and session.idle:
            self._sequences.close(self, self.leaving, "closed" if asked.question.parameters.end else "going_away")
        asked.answer(write_answer(asked.question, session.model.version, [ride]))


def _wrong(description: str) -> InvalidRequest:
    return InvalidRequest((Violation("parameters.sequence_id", description),))
