"""Which live sequence rides over which stream, and what happens when a server goes. No I/O of its own.

Both clients stand on this: they bring streams, timers and futures, and call in one thread at a time.
"""

import itertools
import random
import time
from collections.abc import Callable
from typing import Protocol

from carousel.client.journal import Answer, Journal
from carousel.client.replies import failure
from carousel.errors import Cancelled, CarouselError, GoingAway, ModelNotFound, Overloaded, Unreachable
from carousel.stubs.v1 import inference_pb2 as pb

_FIRST_DELAY = 0.05  # seconds before the second try; the first is made at once
_LONGEST_DELAY = 1.0  # seconds


class Link(Protocol):
    """One stream to one server."""

    def write(self, request: pb.StreamRequest, /) -> None:
        """Send, after what was written before. Does not wait."""
        ...

    def finish(self) -> None:
        """Half-close: nothing more will be written."""
        ...


class Line:
    """One live sequence: its journal, and where it rides.

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
        self.lost: float | None = None  # since when it seeks a server, in seconds
        self.refusal: CarouselError | None = None  # what the last one said
        self.error: CarouselError | None = None


class Roster:
    """The live sequences of one client. All ride over one stream, until a server sends some of them elsewhere.

    A sequence has a new name on the wire wherever it opens, so that the last words on an earlier stay are not taken
    for answers.
    """

    def __init__(
        self,
        connect: Callable[[], Link],
        later: Callable[[float, Callable[[], None]], object],
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open streams by `connect`; seek another server for at most `timeout` seconds.

        `connect` raises Cancelled once there will be no more. `later` has a function called after so many seconds.
        """
        self._connect = connect
        self._later = later
        self._timeout = timeout
        self._clock = clock
        self._links: dict[Link, dict[str, Line]] = {}
        self._current: Link | None = None  # where sequences open
        self._adrift: dict[Line, None] = {}
        self._seeking = False  # a try is due
        self._tries = 0  # since one succeeded
        self._numbers = itertools.count(1)
        self._closed = False

    def feed(self, line: Line, tensor: pb.Tensor, answer: Answer, *, return_state: bool) -> None:
        """Send new timesteps of a sequence, or keep them until a server is found.

        Raises:
            CarouselError: The sequence ended by this error, or was closed.
        """
        if line.error is None and self._closed:
            line.error = Cancelled("the stream of live sequences was closed")
        if line.error is not None:
            raise line.error
        request = line.journal.write(tensor, answer, return_state=return_state)
        if line.link is not None:
            request.key = line.name
            line.link.write(request)
        elif self._current is None and self._seeking:
            self._seek(line, None)
        elif line not in self._adrift:
            self._open(line)

    def leave(self, line: Line) -> None:
        """Close a sequence; what is unanswered is given up."""
        if line.link is not None:
            line.link.write(pb.StreamRequest(key=line.name, close=True))
        self._detach(line)
        self._adrift.pop(line, None)
        self._end(line, Cancelled(f"live sequence {line.key!r} was closed"))

    def close(self) -> None:
        """Close every sequence and every stream."""
        self._closed = True
        for line in [*self._adrift, *(line for lines in self._links.values() for line in lines.values())]:
            self._end(line, Cancelled("the stream of live sequences was closed"))
        for link in self._links:
            link.finish()
        self._links.clear()
        self._adrift.clear()
        self._current = None

    def received(self, link: Link, response: pb.StreamResponse) -> None:
        """Take what a server said."""
        line = self._links.get(link, {}).get(response.key)
        if line is None:
            return  # the sequence has left that stream
        match response.WhichOneof("answer"):
            case "prediction":
                if line.lost is not None:
                    line.lost = line.refusal = None
                    self._tries = 0
                line.journal.take(response)
            case "going_away":
                line.journal.move(response.going_away.state)
                self._elsewhere(line, None)
            case "failure":
                error = failure(response.failure)
                moving = line.journal.known and isinstance(error, (ModelNotFound, Overloaded))
                if moving or isinstance(error, GoingAway):
                    self._elsewhere(line, error)
                else:
                    self._detach(line)
                    self._end(line, error)

    def lost(self, link: Link, error: CarouselError | None) -> None:
        """Take note that a stream ended: None is in good order."""
        if self._current is link:
            self._current = None
        for line in self._links.pop(link, {}).values():
            line.link = None
            if error is None or isinstance(error, (Unreachable, GoingAway)):
                self._seek(line, error)
            elif line.journal.unanswered:
                self._end(line, error)

    def _open(self, line: Line) -> None:
        if self._current is None:
            try:
                self._current = self._connect()
            except Cancelled as error:
                self._end(line, error)
                return
            self._links[self._current] = {}
        link = line.link = self._current
        line.name = f"{line.key}~{next(self._numbers)}"
        self._links[link][line.name] = line
        for request in line.journal.replay():
            request.key = line.name
            link.write(request)

    def _elsewhere(self, line: Line, refusal: CarouselError | None) -> None:
        """Let a sequence leave a server that does not hold it; others stay there until they are sent away too."""
        if self._current is line.link:
            self._current = None
        self._detach(line)
        self._seek(line, refusal)

    def _detach(self, line: Line) -> None:
        link, line.link = line.link, None
        if link is not None:
            lines = self._links[link]
            del lines[line.name]
            if not lines and link is not self._current:
                link.finish()

    def _seek(self, line: Line, refusal: CarouselError | None) -> None:
        """Try to find a server for a sequence, if somebody waits for it."""
        if not line.journal.unanswered:
            return
        if line.lost is None:
            line.lost = self._clock()
        line.refusal = refusal or line.refusal
        self._adrift[line] = None
        if not self._seeking:
            self._seeking = True
            delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2**self._tries) if self._tries else 0.0
            self._tries += 1
            # Spread: who lost the same server should not come back as one crowd.
            self._later(delay * random.uniform(0.5, 1.0), self._try)  # noqa: S311 - no secret

    def _try(self) -> None:
        self._seeking = False
        adrift, self._adrift = self._adrift, {}
        now = self._clock()
        for line in adrift:
            if line.lost is not None and now - line.lost > self._timeout:
                self._end(line, self._gave_up(line))
            else:
                self._open(line)

    def _gave_up(self, line: Line) -> CarouselError:
        if isinstance(line.refusal, (ModelNotFound, Overloaded)):
            return line.refusal
        because = f"; the last word was: {line.refusal}" if line.refusal else ""
        return Unreachable(
            f"no server took live sequence {line.key!r} within {self._timeout:g} s{because}. "
            "Start from its last state, or raise timeout"
        )

    def _end(self, line: Line, error: CarouselError) -> None:
        line.error = line.error or error
        line.journal.fail(line.error)
