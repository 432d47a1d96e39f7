"""What all streams of requests have in common: reading, half-close, flow control, undecodable messages, drain."""

import time
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from google.protobuf.message import Message

from carousel.errors import CarouselError, GoingAway, InvalidRequest, Violation
from carousel.rpc.interceptors import fail
from carousel.rpc.parsing import parse
from carousel.serving import Lifecycle, unexpected
from carousel.transport import Call

M = TypeVar("M", bound=Message)
Taken_contra = TypeVar("Taken_contra", bound=Message, contravariant=True)

MAX_UNSENT_BYTES = 1 << 20
"""Answers that may wait for a slow reader before its stream is read no further."""

MAX_HELD_BYTES = 4 << 20
"""Requests of one stream that may wait for their answers before it is read no further."""


class Conversation(Protocol[Taken_contra]):
    """One stream in the words of its protocol."""

    @property
    def open(self) -> bool:
        """Whether it holds something that a drain must wait for, beside unanswered requests."""

    def take(self, request: Taken_contra) -> None:
        """Take a request. What it raises goes to `refuse`."""

    def refuse(self, request: Taken_contra, error: CarouselError) -> None:
        """Answer a request with an error; the stream goes on."""

    def ended(self, *, client_gone: bool) -> None:
        """Let go of what it holds: the stream is over, by its client's leaving or in good order. Called once."""


class Streams:
    """The open streams of this server, of every protocol."""

    def __init__(self, lifecycle: Lifecycle, max_unanswered: int = 4096) -> None:
        """Let so many requests of one stream wait for their answers."""
        self.lifecycle = lifecycle
        self.max_unanswered = max_unanswered
        self.all: dict[Stream[Any], None] = {}

    def expire(self, seconds: float) -> None:
        """End each stream that holds nothing, and on which nothing was sent either way for so many seconds."""
        before = time.monotonic() - seconds
        for stream in [stream for stream in self.all if stream.touched < before]:
            stream.end_if_idle(seconds)

    def drain(self) -> None:
        """End each stream once all that it asked is answered."""
        for stream in list(self.all):
            stream.end_if_done()


class Stream(Generic[M]):
    """One stream: its requests are read in order, and no faster than they are answered.

    Attributes:
        touched: When something was last sent on it, by either side, in seconds of time.monotonic.
        unanswered: Requests taken and not answered.
        held_bytes: Their size.
    """

    def __init__(self, streams: Streams, call: Call, kind: type[M], *, one_request: bool = False) -> None:
        """Serve a call that sends messages of this kind; with `one_request` its client may send just one."""
        self._streams = streams
        self._call = call
        self._kind = kind
        self._one_request = one_request
        self._conversation: Conversation[M]
        self._reading = False
        self._half_closed = False
        self._taken = False  # at least one request was
        self.touched = time.monotonic()
        self.unanswered = 0
        self.held_bytes = 0

    def begin(self, conversation: Conversation[M]) -> None:
        """Read requests for `conversation` until the stream is over."""
        self._conversation = conversation
        self._streams.all[self] = None
        self._call.on_cancel = partial(self._over, client_gone=True)
        self._call.on_sent = self.read
        self.read()

    def expect(self, size: int) -> None:
        """Note that a request of so many bytes will be answered later."""
        self.unanswered += 1
        self.held_bytes += size

    def settle(self, size: int) -> None:
        """Note that such a request was answered."""
        self.unanswered -= 1
        self.held_bytes -= size

    def send(self, response: Message) -> None:
        """Send an answer, after those before it."""
        self.touched = time.monotonic()
        self._call.send(response.SerializeToString())

    def fail(self, error: CarouselError) -> None:
        """End the stream by an error."""
        fail(self._call, error)
        self._over()

    def finish(self) -> None:
        """End the stream in good order."""
        self._call.finish()
        self._over()

    def read(self) -> None:
        """Ask for the next request, unless answers pile up: then the client's sends wait, which is flow control."""
        if (
            not self._reading
            and not self._half_closed
            and self.unanswered < self._streams.max_unanswered
            and self.held_bytes < MAX_HELD_BYTES
            and self._call.unsent < MAX_UNSENT_BYTES
        ):
            self._reading = True
            self._call.receive(self._received)

    def end_if_done(self) -> None:
        """End the stream when the client has no more to ask, or the server no more to give."""
        if self not in self._streams.all or self.unanswered:
            return
        if self._half_closed and not self._one_request:
            self.finish()
        elif self._streams.lifecycle.draining and not self._conversation.open:
            if self._one_request:
                self.finish()  # all that its client asked for was said
            else:
                self.fail(GoingAway("the server is going away: stream elsewhere"))

    def end_if_idle(self, seconds: float) -> None:
        """End the stream unless it holds something, or its client was told that it will hear more."""
        if not self.unanswered and not self._conversation.open and not (self._one_request and self._taken):
            self.fail(GoingAway(f"the stream was idle for {seconds:g} s: open another (stream_idle_seconds)"))

    def _received(self, message: bytes | None) -> None:
        self._reading = False
        self.touched = time.monotonic()
        try:
            self._take(message)
        except CarouselError as error:
            self.fail(error)
        except Exception as bug:  # noqa: BLE001 - whatever a bug raises ends this stream, and nothing else
            self.fail(unexpected(bug, f"{self._call.method} failed"))
        else:
            self.read()
            self.end_if_done()

    def _take(self, message: bytes | None) -> None:
        if message is None:
            self._half_closed = True
            if self._one_request and not self._taken:
                raise InvalidRequest((Violation("message", "is missing: one request is taken, and none came"),))
            return
        request = parse(self._kind, message)
        if self._one_request and self._taken:
            raise InvalidRequest((Violation("message", "is a second one: one request is taken"),))
        self._taken = True
        try:
            self._conversation.take(request)
        except CarouselError as error:
            self._conversation.refuse(request, error)

    def _over(self, *, client_gone: bool = False) -> None:
        if self in self._streams.all:
            del self._streams.all[self]
            self._half_closed = True
            self._conversation.ended(client_gone=client_gone)
