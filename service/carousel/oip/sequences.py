"""Live sequences by sequence_id: the protocol's clients name one in each request, whatever call it comes on."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from carousel.batching import Sequence
from carousel.errors import CarouselError, GoingAway, InvalidRequest, Violation
from carousel.oip.infer_request import InferRequest
from carousel.oip.infer_response import write_response
from carousel.serving import (
    BEGINNING,
    Catalog,
    Ending,
    Model,
    Session,
    Sessions,
    Tensors,
    Version,
    expired,
    of_any_length,
)
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
        window = model.version.signature.timesteps or 0
        takes = _slides(model.version) if window else model.version
        tensors = request.read(takes)
        if window and (states := {state.name for state in model.version.states}.intersection(request.outputs)):
            raise _wrong(f"{key!r} slides over {window} timesteps, and has no {', '.join(sorted(states))}")
        tensors.return_sequences, tensors.return_state = False, False  # which outputs are wanted may change
        if parameters.start:
            if session is not None:
                raise _wrong(f"{key!r} is open already; end it first, or start under another id")
            tensors.checked(takes, self._sessions.limits)
            session = self._open(model, request, tensors, client)
        assert session is not None
        if session.leaving is not None:
            raise session.leaving
        self._sessions.feed(session, tensors, _Asked(request, answer, fail), trace)
        if parameters.end:
            session.leaving = _wrong(f"{key!r} has ended; a new one begins with sequence_start")
            if session.idle:  # answered at once, for its window is not full
                self._sessions.end(session, Ending.CLOSED, remember=session.leaving)

    def _open(self, model: Model, request: InferRequest, tensors: Tensors, client: str) -> Session:
        """Begin a live sequence: one of a model of fixed timesteps slides over the last so many."""
        key, window = request.parameters.sequence, model.version.signature.timesteps or 0
        if window and tensors.starts:
            raise _wrong(f"{key!r} slides over {window} timesteps: it starts from none, and from no state")
        start = tensors.starts[0] if tensors.starts else BEGINNING
        every = model.version.signature.sequence is not None
        return self._sessions.open(
            model,
            self,
            request.model,
            key,
            start,
            client=client,
            return_sequences=every and not window,
            window=window,
            whole_windows=every,
        )

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


def _slides(version: Version) -> Version:
    """Give what messages of a live sequence are read by that keeps the last timesteps: they hold any number."""
    return replace(version, signature=of_any_length(version.signature))


def _wrong(description: str) -> InvalidRequest:
    return InvalidRequest((Violation("parameters.sequence_id", description),))
