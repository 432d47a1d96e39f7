"""Which stream carries which live sequence, and the search for another server when one goes. No I/O of its own.

Both clients use this: they bring streams, timers and futures, and call from one thread at a time.
"""

import itertools
import random
import time
from collections.abc import Callable
from typing import Protocol

from carousel.client.journal import Answer, Journal
from carousel.client.messages import failure
from carousel.errors import Cancelled, CarouselError, GoingAway, ModelNotFound, Overloaded, Unreachable
from carousel.stubs.v1 import inference_pb2 as pb

_FIRST_DELAY = 0.05  # seconds before the second try; the first is made at once
_LONGEST_DELAY = 1.0  # seconds
_SHOWN = 32  # characters of a key that go to the server; the number beside them is what tells one from another


class Link(Protocol):
    """One stream to one server."""

    def write(self, request: pb.StreamRequest, /) -> None:
        """Send, after what was written before. Does not wait."""
        ...

    def finish(self) -> None:
        """Half-close: nothing more will be written."""
        ...


class Session:
    """One live sequence: its journal, and the stream that carries it.

    Attributes:
        key: The caller's name for it.
        error: Why it ended; None while it has not.
    """

    __slots__ = ("error", "journal", "key", "link", "lost", "name", "refusal")

    def __init__(self, key: str, journal: Journal) -> None:
        self.key = key
        self.journal = journal
        self.link: Link | None = None  # None: no server holds it, and none needs to until it is fed
        self.name = ""  # its key on the wire
        self.lost: float | None = None  # since when it searches for a server, in seconds of the clock
        self.refusal: CarouselError | None = None  # what the last one said
        self.error: CarouselError | None = None


class Reconnect:
    """The live sequences of one client. One stream carries all of them, until a server sends some elsewhere.

    A sequence has a new name on the wire wherever it opens, so that what an earlier server still says of it is not
    taken for an answer.
    """

    def __init__(
        self,
        connect: Callable[[], Link],
        later: Callable[[float, Callable[[], None]], object],
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open streams by `connect`; search for another server for at most `timeout` seconds.

        `connect` raises Cancelled once there will be no more. `later` has a function called after so many seconds.
        """
        self._connect = connect
        self._later = later
        self._timeout = timeout
        self._clock = clock
        self._links: dict[Link, dict[str, Session]] = {}
        self._current: Link | None = None  # where sequences open
        self._searching: dict[Session, None] = {}
        self._try_due = False  # a try is due
        self._tries = 0  # since one succeeded
        self._numbers = itertools.count(1)
        self._closed = False

    def feed(self, session: Session, steps: pb.StreamRequest, answer: Answer, *, return_state: bool) -> None:
        """Send new timesteps of a sequence, or keep them until a server is found.

        Raises:
            CarouselError: The sequence ended by this error, or was closed.
        """
        if session.error is None and self._closed:
            session.error = Cancelled("the stream of live sequences was closed")
        if session.error is not None:
            raise session.error
        request = session.journal.write(steps, answer, return_state=return_state)
        if session.link is not None:
            request.key = session.name
            session.link.write(request)
        elif self._current is None and self._try_due:
            self._search(session, None)
        elif session not in self._searching:
            self._open(session)

    def leave(self, session: Session) -> None:
        """Close a sequence; what is unanswered is given up."""
        if session.link is not None:
            session.link.write(pb.StreamRequest(key=session.name, close=True))
        self._detach(session)
        self._searching.pop(session, None)
        self._end(session, Cancelled(f"live sequence {session.key!r} was closed"))

    def close(self) -> None:
        """Close every sequence and every stream."""
        self._closed = True
        for session in [
            *self._searching,
            *(session for sessions in self._links.values() for session in sessions.values()),
        ]:
            self._end(session, Cancelled("the stream of live sequences was closed"))
        for link in self._links:
            link.finish()
        self._links.clear()
        self._searching.clear()
        self._current = None

    def received(self, link: Link, response: pb.StreamResponse) -> None:
        """Take one response of a server."""
        session = self._links.get(link, {}).get(response.key)
        if session is None:
            return  # the sequence has left that stream
        match response.WhichOneof("answer"):
            case "prediction":
                if session.lost is not None:
                    session.lost = session.refusal = None
                    self._tries = 0
                session.journal.take(response)
            case "going_away":
                session.journal.move(response.going_away.state)
                self._move(session, None)
            case "failure":
                error = failure(response.failure)
                moving = session.journal.known and isinstance(error, (ModelNotFound, Overloaded))
                if moving or isinstance(error, GoingAway):
                    self._move(session, error)
                else:
                    self._detach(session)
                    self._end(session, error)

    def lost(self, link: Link, error: CarouselError | None) -> None:
        """Take note that a stream ended: None is in good order."""
        if self._current is link:
            self._current = None
        for session in self._links.pop(link, {}).values():
            session.link = None
            if error is None or isinstance(error, (Unreachable, GoingAway)):
                self._search(session, error)
            elif session.journal.unanswered:
                self._end(session, error)

    def _open(self, session: Session) -> None:
        if self._current is None:
            try:
                self._current = self._connect()
            except Cancelled as error:
                self._end(session, error)
                return
            self._links[self._current] = {}
        link = session.link = self._current
        session.name = f"{session.key[:_SHOWN]}~{next(self._numbers)}"
        self._links[link][session.name] = session
        for request in session.journal.replay():
            request.key = session.name
            link.write(request)

    def _move(self, session: Session, refusal: CarouselError | None) -> None:
        """Let a sequence leave a server that does not hold it; others stay until the server sends them away too."""
        if self._current is session.link:
            self._current = None
        self._detach(session)
        self._search(session, refusal)

    def _detach(self, session: Session) -> None:
        link, session.link = session.link, None
        if link is not None:
            sessions = self._links[link]
            del sessions[session.name]
            if not sessions and link is not self._current:
                link.finish()

    def _search(self, session: Session, refusal: CarouselError | None) -> None:
        """Search for a server for a sequence that has unanswered messages."""
        if not session.journal.unanswered:
            return
        if session.lost is None:
            session.lost = self._clock()
        session.refusal = refusal or session.refusal
        self._searching[session] = None
        if not self._try_due:
            self._try_due = True
            delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2**self._tries) if self._tries else 0.0
            self._tries += 1
            # Random, so that the clients of a lost server do not all come back at the same moment.
            self._later(delay * random.uniform(0.5, 1.0), self._try)  # noqa: S311 - no secret

    def _try(self) -> None:
        self._try_due = False
        searching, self._searching = self._searching, {}
        now = self._clock()
        for session in searching:
            if session.lost is not None and now - session.lost > self._timeout:
                self._end(session, self._gave_up(session))
            else:
                self._open(session)

    def _gave_up(self, session: Session) -> CarouselError:
        if isinstance(session.refusal, (ModelNotFound, Overloaded)):
            return session.refusal
        because = f"; the last word was: {session.refusal}" if session.refusal else ""
        return Unreachable(
            f"no server took live sequence {session.key!r} within {self._timeout:g} s{because}. "
            "Start from its last state, or raise timeout"
        )

    def _end(self, session: Session, error: CarouselError) -> None:
        session.error = session.error or error
        session.journal.fail(session.error)
