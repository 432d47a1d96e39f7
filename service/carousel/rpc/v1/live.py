"""Stream: live sequences. One stream carries any number of them, each under a key of its own."""

from typing import NamedTuple

from carousel.batching import Sequence
from carousel.errors import CarouselError, GoingAway, InvalidRequest, Violation, shortened
from carousel.rpc.stream import Stream, Streams
from carousel.rpc.v1.named import read_sample
from carousel.rpc.v1.predict import read_steps, write_prediction
from carousel.serving import (
    Catalog,
    Ending,
    Limits,
    Opening,
    Session,
    Sessions,
    Tensors,
    expired,
    open_session,
)
from carousel.stubs.v1 import inference_pb2 as pb
from carousel.transport import Call
from carousel.wire import status_of, trace_of


class _Asked(NamedTuple):
    """What one message of a live sequence asked for.

    Attributes:
        size: Bytes of its timesteps.
        opening: Whether it opened the sequence; its answer says which version answers.
    """

    size: int
    return_state: bool
    close: bool
    opening: bool


class Live:
    """Serves the streams of live sequences."""

    def __init__(self, catalog: Catalog, sessions: Sessions, streams: Streams, limits: Limits) -> None:
        self.catalog = catalog
        self.sessions = sessions
        self.streams = streams
        self.limits = limits

    def stream(self, call: Call) -> None:
        """Serve one stream of live sequences until the client has no more."""
        _LiveStream(self, call)


class _LiveStream:
    """One stream of live sequences: it reads their messages and holds them for its client."""

    def __init__(self, live: Live, call: Call) -> None:
        self._live = live
        self._sessions = live.sessions
        self._trace = trace_of(call.metadata)
        self._client = call.client
        self._stream = Stream(live.streams, call, pb.StreamRequest)
        self._stream.begin(self)

    @property
    def open(self) -> bool:
        return bool(self._sessions.of_scope(self))

    def take(self, request: pb.StreamRequest) -> None:
        session = self._sessions.find(self, request.key)
        opening = request.HasField("open")
        if opening:
            if session is not None:
                raise _wrong("open", f"live sequence {request.key!r} is open already; close it first")
            session = self._open(request)
        elif session is None:
            raise _wrong(
                "key", f"no live sequence {shortened(request.key)!r} is open on this stream; its first message opens it"
            )
        elif session.leaving is not None:
            return  # it goes on elsewhere: the client was or is being told
        if request.HasField("input") or request.HasField("sample"):
            asked = _Asked(_size(request), request.return_state, request.close, opening)
            self._sessions.feed(session, self._read(request, session), asked, self._trace)
            self._stream.expect(asked.size)
        elif not session.idle:
            raise _wrong("input", "is missing while earlier messages are unanswered; close with the last timesteps")
        else:
            self._answer_without_steps(session, request, opening=opening)

    def refuse(self, request: pb.StreamRequest, error: CarouselError) -> None:
        if len(request.key) > self._live.limits.name_bytes:
            self._stream.fail(error)  # an answer would have to repeat it
            return
        session = self._sessions.find(self, request.key)
        if session is not None:
            self._settle(self._sessions.end(session, error))
        self._send_failure(request.key, error)

    def ended(self, *, client_gone: bool) -> None:
        for session in self._sessions.of_scope(self):
            self._sessions.end(session, Ending.CLIENT_GONE if client_gone else Ending.HALF_CLOSED)

    def answered(self, session: Session, sequence: Sequence, asked: _Asked) -> None:
        self._settle([asked])
        response = _response(session, opening=asked.opening)
        sequence.return_state = False
        response.prediction.SetInParent()
        if sequence.output is not None:  # a window that is not full yet has no answer
            start = session.timesteps - sequence.sent
            write_prediction(sequence, start, session.model.version, response.prediction, session.outputs)
        if asked.return_state:
            response.prediction.state = session.snapshot
        self._send_last_or_next(session, response, close=asked.close)
        self._go_on()

    def failed(self, session: Session, error: CarouselError, asked: list[_Asked]) -> None:
        self._settle(asked)
        self._sessions.end(session, error)
        self._send_failure(str(session.key), error)
        self._go_on()

    def expired(self, session: Session, idle_seconds: float) -> None:
        self.failed(session, expired(session.key, idle_seconds), [])

    def sent_away(self, session: Session) -> None:
        response = pb.StreamResponse(key=str(session.key), closed=True)
        response.going_away.state = session.snapshot
        self._stream.send(response)
        self._sessions.end(session, Ending.GOING_AWAY)
        self._go_on()

    def _open(self, request: pb.StreamRequest) -> Session:
        if self._live.streams.lifecycle.draining:
            raise GoingAway("the server is going away: open live sequences elsewhere")
        limit = self._live.limits.name_bytes
        if len(request.key) > limit:
            raise _wrong("key", f"has {len(request.key)} characters, the limit is {limit} (max_name_bytes)")
        opening = Opening(
            request.open.model,
            request.open.version,
            request.open.version_label,
            request.open.return_sequences,
            request.open.window,
            request.open.initial_state,
            tuple(request.open.outputs),
            request.HasField("sample"),
        )
        return open_session(opening, self._live.catalog, self._sessions, self, self, request.key, self._client)

    def _read(self, request: pb.StreamRequest, session: Session) -> Tensors:
        faults: list[Violation] = []
        if not request.HasField("sample"):
            steps = read_steps(request.input, "input", session.model.version, self._live.limits, faults)
            return Tensors(steps, lambda _, part: f"input.{part}", faults=faults)
        if request.HasField("input"):
            faults.append(Violation("sample", "stands beside input; send one of the two"))
        sample = read_sample(request.sample, "sample", session.accepts.takes, faults)
        return Tensors([] if sample is None else [sample], lambda _, part: f"sample.{part}", faults=faults)

    def _answer_without_steps(self, session: Session, request: pb.StreamRequest, *, opening: bool) -> None:
        """Answer a message that only opens, closes or asks for the state."""
        response = _response(session, opening=opening)
        response.prediction.SetInParent()
        if request.return_state:
            response.prediction.state = session.snapshot
        self._send_last_or_next(session, response, close=request.close)

    def _send_last_or_next(self, session: Session, response: pb.StreamResponse, *, close: bool) -> None:
        response.closed = close
        self._stream.send(response)
        if close:
            self._sessions.end(session, Ending.CLOSED)
        elif session.leaving is not None and session.idle:
            self.sent_away(session)

    def _send_failure(self, key: str, error: CarouselError) -> None:
        response = pb.StreamResponse(key=key, closed=True)
        response.failure.code, response.failure.message, _ = status_of(error)
        response.failure.reason = type(error).__name__
        self._stream.send(response)

    def _settle(self, asked: list[_Asked]) -> None:
        for each in asked:
            self._stream.settle(each.size)

    def _go_on(self) -> None:
        self._stream.read()
        self._stream.end_if_done()


def _size(request: pb.StreamRequest) -> int:
    """Count the bytes of a message's timesteps."""
    return len(request.input.content) + sum(len(tensor.content) for tensor in request.sample.tensors.values())


def _response(session: Session, *, opening: bool) -> pb.StreamResponse:
    response = pb.StreamResponse(key=str(session.key))
    if opening:
        version = session.model.version
        response.model, response.version = version.name, version.number
    return response


def _wrong(field: str, description: str) -> InvalidRequest:
    return InvalidRequest((Violation(field, description),))
