"""Live sequences for ordinary programs."""

# Written by .ci/blocking_client.py from aio_fleet.py; do not edit.

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Self

import grpc

from carousel.client.journal import Journal
from carousel.client.messages import Prediction, Steps, live_steps, raised
from carousel.client.reconnect import Reconnect, Session
from carousel.client.threads import CLOSED, Link, Lock, Runner, Semaphore, pending, result
from carousel.errors import Cancelled, CarouselError
from carousel.stubs.v1 import inference_pb2 as pb


class LiveSequence:
    """One live sequence; the server keeps its state, and it survives the loss of a server."""

    def __init__(self, fleet: "Fleet", session: Session, close: Callable[[], None]) -> None:
        self._fleet = fleet
        self._session = session
        self._close = close

    @property
    def key(self) -> str:
        """The caller's name for it."""
        return self._session.key

    def feed(self, steps: Steps, *, return_state: bool = False) -> Prediction:
        """Take new timesteps, and wait for their answer.

        Args:
            steps: float32 [timesteps, input_dim], or whole numbers [timesteps] for tokens; or a mapping: each input by
                the name that the model's author gave it, what has no timesteps too.
            return_state: Whether the state after them is wanted as well.

        Returns:
            The answer: its `output` is float32 [units], or [timesteps, units] if it began with `return_sequences`.

        Raises:
            CarouselError: The sequence ended: one of the classes of `carousel.errors`, as the server raised it, or
                Unreachable.
        """
        return result(self.send(steps, return_state=return_state))

    def send(self, steps: Steps, *, return_state: bool = False) -> Future[Prediction]:
        """Take new timesteps. Waits while too many messages of the fleet are unanswered.

        Args:
            steps: As `feed` takes them.
            return_state: Whether the state after them is wanted as well.

        Returns:
            The future of their answer, which raises as `feed` does.

        Raises:
            CarouselError: The sequence has ended already, or the client was closed.
        """
        return self._fleet._send(self._session, steps, return_state)  # noqa: SLF001 - two halves of one thing

    def close(self) -> None:
        """Give up the state on the server, and whatever is unanswered."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Fleet:
    """Any number of live sequences over one stream. Safe to share between threads.

    with client.fleet() as fleet:
        pump, valve = fleet.open("sensors", "pump"), fleet.open("sensors", "valve")
        answers = [pump.send(steps), valve.send(other)]
    """

    def __init__(
        self,
        stream: Callable[[Iterator[pb.StreamRequest]], Iterable[pb.StreamResponse]],
        snapshot_every: int,
        timeout: float,
        max_unanswered: int,
    ) -> None:
        """Open streams by `stream`; see `Client.fleet`."""
        self._stream = stream
        self._snapshot_every = snapshot_every
        self._lock = Lock()
        self._room = Semaphore(max_unanswered)
        self._reconnect = Reconnect(self._connect, self._later, timeout)
        self._runner = Runner()
        self._numbers = itertools.count()

    def open(
        self,
        model: str,
        key: str | None = None,
        *,
        version: int = 0,
        return_sequences: bool = False,
        initial_state: bytes = b"",
        window: int = 0,
        outputs: Sequence[str] = (),
    ) -> LiveSequence:
        """Begin a live sequence. The server hears of it with its first timesteps.

        Args:
            model: The model's name.
            key: A name for error messages; a number if left out.
            version: The model's version; 0 is the newest served. It stays with the version it began on.
            return_sequences: Every timestep's output, not the last one's of each message alone.
            initial_state: A state to start from, as returned earlier.
            window: How many timesteps to keep; see `live`.
            outputs: Names of the outputs that are wanted; see `live`.

        Returns:
            The sequence.
        """
        opening = pb.Open(
            model=model,
            version=version,
            return_sequences=return_sequences,
            initial_state=initial_state,
            window=window,
            outputs=outputs,
        )
        session = self._session(str(next(self._numbers)) if key is None else key, opening)
        return LiveSequence(self, session, partial(self._leave, session))

    def only(self, opening: pb.Open) -> LiveSequence:
        """Begin the only live sequence of this fleet, which closes with it.

        Args:
            opening: What the server hears of it first.

        Returns:
            The sequence.
        """
        return LiveSequence(self, self._session(opening.model, opening), self.close)

    def close(self) -> None:
        """Close every sequence and the stream; whatever is unanswered is given up."""
        with self._lock:
            self._reconnect.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _session(self, key: str, opening: pb.Open) -> Session:
        return Session(key, Journal(opening, self._snapshot_every))

    def _send(self, session: Session, steps: Steps, return_state: bool) -> Future[Prediction]:
        request = live_steps(steps)
        self._room.acquire()
        answer = pending()
        try:
            with self._lock:
                self._reconnect.feed(session, request, answer, return_state=return_state)
        except CarouselError:
            self._room.release()
            raise
        answer.add_done_callback(lambda _: self._room.release())
        return answer

    def _leave(self, session: Session) -> None:
        with self._lock:
            self._reconnect.leave(session)

    def _connect(self) -> Link:
        link = Link()
        try:
            call = self._stream(link.requests())
        except CLOSED as error:
            raise Cancelled("the client was closed") from error
        self._runner.start(self._read, link, call)
        return link

    def _read(self, link: Link, call: Iterable[pb.StreamResponse]) -> None:
        error = None
        try:
            for response in call:
                with self._lock:
                    self._reconnect.received(link, response)
        except grpc.RpcError as end:
            error = raised(end)
        link.finish()
        with self._lock:
            self._reconnect.lost(link, error)

    def _later(self, seconds: float, function: Callable[[], None]) -> None:
        def locked() -> None:
            with self._lock:
                function()

        self._runner.later(seconds, locked)
