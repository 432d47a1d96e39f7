"""carousel.v1: live sequences. One stream carries any number of them, each under a key of its own."""

from collections import deque

from google.protobuf.message import DecodeError

from carousel.batching import Sequence
from carousel.errors import CarouselError, GoingAway, InvalidRequest, NotStateful, Overloaded, SessionExpired, Violation
from carousel.rpc.interceptors import fail, not_a_message
from carousel.rpc.trace import trace_of
from carousel.rpc.v1.predict import read_start
from carousel.rpc.v1.prediction import write_prediction
from carousel.serving import Catalog, Model, Roster, Session, write_snapshot
from carousel.stubs.v1.inference_pb2 import StreamRequest, StreamResponse
from carousel.tensors import Floats
from carousel.transport import Call
from carousel.wire import Bounds, read_steps, status_of

_UNSENT = 1 << 20
"""Bytes of answers that may wait for a slow reader before its stream is read no further."""

_UNRIDDEN = 4 << 20
"""Bytes of timesteps of one stream that may wait for their answers before it is read no further."""

_UNANSWERED = 4096
"""Messages of one stream that may wait for their answers before it is read no further."""


class Live:
    """The streams of this server, and what their live sequences share."""

    def __init__(
        self,
        catalog: Catalog,
        bounds: Bounds,
        roster: Roster,
        *,
        max_a_stream: int,
    ) -> None:
        """Write every live sequence into `roster`, at most `max_a_stream` of one stream."""
        self._catalog = catalog
        self._bounds = bounds
        self._most_a_stream = max_a_stream
        self._streams: dict[_Stream, None] = {}
        self.roster = roster
        self._draining = False

    def stream(self, call: Call) -> None:
        """Serve one stream of live sequences until the client has no more."""
        if self._draining:
            raise GoingAway("the server is going away: open live sequences elsewhere")
        stream = _Stream(self, call)
        self._streams[stream] = None
        stream.read()

    def go_away(self) -> None:
        """Close the streams that hold nothing any more, and each of the others once it does not."""
        self._draining = True
        for stream in list(self._streams):
            stream.end_if_done()

    def open(self, stream: "_Stream", request: StreamRequest) -> "_Line":
        """Open a live sequence under the request's key."""
        if self._draining:
            raise GoingAway("the server is going away: open live sequences elsewhere")
        find = self._catalog.find_for_state if request.open.initial_state else self._catalog.find
        model = find(request.open.model, request.open.version, request.open.version_label)
        if not model.stateful:
            raise NotStateful(f"{model.version.name} cannot ride in chunks, so it cannot be live")
        if request.open.return_sequences and model.signature.sequence is None:
            found = Violation("open.return_sequences", "the model gives no output for every timestep")
            raise InvalidRequest((found,))
        self.roster.admit()
        if len(stream.lines) >= self._most_a_stream:
            raise Overloaded(f"{self._most_a_stream} live sequences are open on this stream, and that is the limit")
        timesteps, state = read_start(request.open.initial_state, model)
        session = Session(
            model,
            stream.answered,
            self.roster.clock(),
            return_sequences=request.open.return_sequences,
            state=state,
            timesteps=timesteps,
        )
        line = _Line(request.key, stream, session)
        self.roster.add(line)
        return line

    def read(self, request: StreamRequest, model: Model) -> Floats:
        """Read a message's timesteps."""
        steps, faults = read_steps(request.input, "input", model.signature, self._bounds)
        if steps is None:
            raise InvalidRequest(tuple(faults))
        return steps

    def ended(self, stream: "_Stream") -> None:
        """Note that a stream was closed."""
        self._streams.pop(stream, None)

    @property
    def draining(self) -> bool:
        """Whether no live sequence may stay."""
        return self._draining


class _Line:
    """One key of one stream: its session, and what its unanswered messages asked for."""

    __slots__ = ("asked", "key", "leaving", "opening", "session", "stream")

    def __init__(self, key: str, stream: "_Stream", session: Session) -> None:
        self.key = key
        self.stream = stream
        self.session = session
        self.asked: deque[StreamRequest] = deque()
        self.opening = True  # the answer to the first message says which version answers
        self.leaving = False

    def expire(self, idle: float) -> None:
        """Close by an error."""
        self.stream.fail(self.key, SessionExpired(f"live sequence {self.key!r} was idle for {idle:.0f} s"))

    def send_away(self) -> None:
        """Leave with a snapshot, once every message is answered."""
        self.leaving = True
        if self.session.idle:
            self.stream.say_goodbye(self)


class _Stream:
    """One stream: its keys, its answers in order, and its pace."""

    def __init__(self, live: Live, call: Call) -> None:
        self._live = live
        self._call = call
        self._trace = trace_of(call.metadata)
        self._reading = False
        self._half_closed = False
        self._unanswered = 0
        self._unridden = 0
        self._by_session: dict[Session, _Line] = {}
        self.lines: dict[str, _Line] = {}
        call.on_cancel = self._abandon
        call.on_sent = self.read

    def read(self) -> None:
        """Ask for the next message, unless answers pile up: then the client's sends wait, which is flow control."""
        if (
            not self._reading
            and not self._half_closed
            and self._unanswered < _UNANSWERED
            and self._unridden < _UNRIDDEN
            and self._call.unsent < _UNSENT
        ):
            self._reading = True
            self._call.receive(self._received)

    def answered(self, session: Session, ride: Sequence) -> None:
        """Send the answer to one message of one live sequence."""
        line = self._by_session[session]
        request = line.asked.popleft()
        self._settle(request)
        if ride.error is not None:
            self.fail(line.key, ride.error)
            return
        response = self._response(line)
        version = session.model.version
        ride.return_state = request.return_state
        write_prediction(ride, session.timesteps - ride.timesteps, version, response.prediction)
        response.closed = request.close
        self._send(response)
        if request.close:
            self._close(line, "closed")
        elif line.leaving and session.idle:
            self.say_goodbye(line)
        self.read()
        self.end_if_done()

    def fail(self, key: str, error: CarouselError) -> None:
        """Close one live sequence by an error; the others go on."""
        response = StreamResponse(key=key, closed=True)
        response.failure.code, response.failure.message, _ = status_of(error)
        response.failure.reason = type(error).__name__
        self._send(response)
        line = self.lines.get(key)
        if line is not None:
            self._close(line, type(error).__name__)
        self.read()
        self.end_if_done()

    def end_if_done(self) -> None:
        """End the stream when the client has no more to ask, or the server no more to give."""
        if self._call.done or self._unanswered:
            return
        if self._half_closed:
            for line in list(self.lines.values()):
                self._close(line, "half_closed")
            self._call.finish()
            self._live.ended(self)
        elif self._live.draining and not self.lines:
            fail(self._call, GoingAway("the server is going away: open live sequences elsewhere"))
            self._live.ended(self)

    def _received(self, message: bytes | None) -> None:
        self._reading = False
        if message is None:
            self._half_closed = True
            self.end_if_done()
            return
        try:
            request = StreamRequest.FromString(message)
        except DecodeError:
            fail(self._call, not_a_message(self._call, message))
            self._abandon()
            return
        try:
            self._take(request)
        except CarouselError as error:
            self.fail(request.key, error)
        self.read()

    def _take(self, request: StreamRequest) -> None:
        line = self.lines.get(request.key)
        if request.HasField("open"):
            if line is not None:
                raise _wrong("open", f"live sequence {request.key!r} is open already; close it first")
            line = self._live.open(self, request)
            self.lines[request.key] = self._by_session[line.session] = line
        elif line is None:
            raise _wrong(
                "key", f"no live sequence {request.key!r} is open on this stream; its first message must open it"
            )
        elif line.leaving:
            return  # it will be answered elsewhere: the client was or is being told
        if request.HasField("input"):
            steps = self._live.read(request, line.session.model)
            line.asked.append(request)
            self._unanswered += 1
            self._unridden += len(request.input.content)
            line.session.feed(steps, self._live.roster.touch(line), self._trace)
        elif not line.session.idle:
            raise _wrong("input", "is missing while earlier messages are unanswered; close with the last timesteps")
        else:
            self._answer_without_steps(line, request)

    def _answer_without_steps(self, line: _Line, request: StreamRequest) -> None:
        """Answer a message that only opens, closes or asks for the state."""
        response = self._response(line)
        response.prediction.SetInParent()
        session = line.session
        if request.return_state:
            response.prediction.state = _snapshot(session)
        response.closed = request.close
        self._send(response)
        if request.close:
            self._close(line, "closed")

    def _response(self, line: _Line) -> StreamResponse:
        response = StreamResponse(key=line.key)
        if line.opening:
            line.opening = False
            response.model, response.version = line.session.model.version.name, line.session.model.version.number
        return response

    def say_goodbye(self, line: _Line) -> None:
        """Let a live sequence leave with its snapshot."""
        response = StreamResponse(key=line.key, closed=True)
        response.going_away.state = _snapshot(line.session)
        self._send(response)
        self._close(line, "going_away")

    def _send(self, response: StreamResponse) -> None:
        self._call.send(response.SerializeToString())

    def _settle(self, request: StreamRequest) -> None:
        self._unanswered -= 1
        self._unridden -= len(request.input.content)

    def _close(self, line: _Line, reason: str) -> None:
        for request in line.asked:
            self._settle(request)
        del self.lines[line.key], self._by_session[line.session]
        self._live.roster.forget(line)
        line.session.close(reason)

    def _abandon(self) -> None:
        for line in list(self.lines.values()):
            self._close(line, "client_gone")
        self._live.ended(self)


def _snapshot(session: Session) -> bytes:
    """Pack where a live sequence stands; empty before its first timestep."""
    if session.state is None:
        return b""
    return write_snapshot(session.model.version.fingerprint, session.timesteps, session.state)


def _wrong(field: str, description: str) -> InvalidRequest:
    return InvalidRequest((Violation(field, description),))
