"""Live sequences by sequence_id: the protocol's clients name one in each request, whatever call it comes on."""

from collections.abc import Callable
from typing import NamedTuple

from carousel.batching import Sequence
from carousel.errors import CarouselError, GoingAway, InvalidRequest, Violation
from carousel.oip.infer_request import InferRequest
from carousel.oip.infer_response import write_response
from carousel.serving import BEGINNING, Catalog, Ending, Session, Sessions, expired, refuse_sliding
from carousel.stubs.oip.open_inference_pb2 import ModelInferResponse


class _Asked(NamedTuple):
    """One request that waits for its answer."""

    request: InferRequest
    answer: Callable[[ModelInferResponse], None]
    fail: Callable[[CarouselError], None]


class Sequences:
    """Holds the live sequences that have an id, each of one model: 7 and "7" are two of them."""

    def __init__(self, catalog: Catalog, sessions: Sessions) -> None:
        self._catalog = catalog
        self._sessions = sessions

    def feed(
        self,
        request: InferRequest,
        trace: str,
        client: str,
        answer: Callable[[ModelInferResponse], None],
        fail: Callable[[CarouselError], None],
    ) -> None:
        """Run a request's timesteps after those before; a faulty request leaves the sequence as it was.

        Raises:
            InvalidRequest: The request has faults, or its sequence is not open, or is open and to be started.
            SessionExpired: The sequence was idle for too long.
            GoingAway: Its version is being unloaded.
            CarouselError: As `Catalog.find`, `Sessions.open`.
        """
        key, parameters = request.parameters.sequence, request.parameters
        version, label = request.version
        session = self._sessions.find(request.model, key)
        if session is None:
            model = self._catalog.find(request.model, version, label)
            if not parameters.start:
                not_open = _wrong(f"{key!r} is not open; its first request sets sequence_start")
                raise self._sessions.why_ended(request.model, key) or not_open
        else:
            model = session.model
            if version not in {0, model.version.number}:
                raise _wrong(f"{key!r} runs on version {model.version.number}, not {version}")
        tensors = request.read(model.version)
        tensors.return_sequences, tensors.return_state = False, False  # which outputs are wanted may change
        if parameters.start:
            if session is not None:
                raise _wrong(f"{key!r} is open already; end it first, or start under another id")
            tensors.checked(model.version, self._sessions.limits)
            start = tensors.starts[0] if tensors.starts else BEGINNING
            if (why := refuse_sliding(model.version.signature)) is not None:
                raise why
            every = model.version.signature.sequence is not None
            session = self._sessions.open(model, self, request.model, key, start, client=client, return_sequences=every)
        assert session is not None
        if session.leaving is not None:
            raise session.leaving
        self._sessions.feed(session, tensors, _Asked(request, answer, fail), trace)
        if parameters.end:
            session.leaving = _wrong(f"{key!r} has ended; a new one begins with sequence_start")

    def answered(self, session: Session, sequence: Sequence, asked: _Asked) -> None:
        """Answer one request; a sequence that leaves ends with its last one."""
        if session.leaving is not None and session.idle:
            closed = asked.request.parameters.end
            self._sessions.end(session, Ending.CLOSED if closed else Ending.GOING_AWAY, remember=session.leaving)
        asked.answer(write_response(asked.request, session.model.version, [sequence]))

    def failed(self, session: Session, error: CarouselError, asked: list[_Asked]) -> None:
        """Fail every request that waits; the sequence has ended."""
        self._sessions.end(session, error, remember=_wrong(f"{session.key!r} ended by an error: {error}"))
        for each in asked:
            each.fail(error)

    def expired(self, session: Session, idle_seconds: float) -> None:
        """End a sequence that was idle for too long."""
        why = expired(session.key, idle_seconds)
        self._sessions.end(session, why, remember=why)

    def sent_away(self, session: Session) -> None:
        """End a sequence whose version or server goes away: its client has to start it again."""
        why = GoingAway(f"{session.model.version} is being unloaded; start sequence {session.key!r} again")
        self._sessions.end(session, Ending.GOING_AWAY, remember=why)


def _wrong(description: str) -> InvalidRequest:
    return InvalidRequest((Violation("parameters.sequence_id", description),))
