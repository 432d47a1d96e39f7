"""The messages that a client keeps of one live sequence, so that it can go on at another server. No I/O, no clock."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from carousel.client.messages import Prediction, prediction
from carousel.errors import CarouselError
from carousel.stubs.v1 import inference_pb2 as pb


class Answer(Protocol):
    """A future: that of threads, or asyncio's."""

    def done(self) -> bool:
        """Whether it has its answer, or was cancelled."""
        ...

    def set_result(self, result: Prediction, /) -> None:
        """Answer."""
        ...

    def set_exception(self, exception: CarouselError, /) -> None:
        """Fail."""
        ...


@dataclass(slots=True)
class _Entry:
    """One message: what was sent, and the future of its answer."""

    steps: pb.StreamRequest
    wanted: bool  # the caller wants the state
    return_state: bool  # the caller or the journal wants it
    answer: Answer


class Journal:
    """The messages of one live sequence since its last snapshot, and how far they were answered.

    A sequence that lost its server opens again from the snapshot and sends these messages once more. Since answers are
    equal bit for bit wherever and however often they are computed, those that the caller has are dropped, and it sees
    neither a gap nor a repeat.
    """

    __slots__ = ("_asked", "_delivered", "_entries", "_open", "_returned", "_snapshot_every", "known")

    def __init__(self, opening: pb.Open, snapshot_every: int) -> None:
        """Begin as `opening` says, and ask for a snapshot with every so many messages."""
        self._open = opening
        self._snapshot_every = snapshot_every
        self._entries: deque[_Entry] = deque()  # since the snapshot
        self._delivered = 0  # of these, the caller has the answers of so many
        self._returned = 0  # of these, so many were answered by the present server
        self._asked = 0  # messages since a snapshot was asked for
        self.known = False
        """Whether a server ever answered."""

    @property
    def unanswered(self) -> bool:
        """Whether the caller waits for an answer."""
        return self._delivered < len(self._entries)

    def write(self, steps: pb.StreamRequest, answer: Answer, *, return_state: bool = False) -> pb.StreamRequest:
        """Record new timesteps, and give the request that sends them after those before."""
        self._asked += 1
        entry = _Entry(steps, return_state, return_state or self._asked >= self._snapshot_every, answer)
        if entry.return_state:
            self._asked = 0
        self._entries.append(entry)
        return _request(entry)

    def replay(self) -> Iterator[pb.StreamRequest]:
        """Give the requests that open this sequence at another server and bring it to where the last one was."""
        self._returned = 0
        for i, entry in enumerate(self._entries):
            request = _request(entry)
            if i == 0:
                request.open.CopyFrom(self._open)
            yield request

    def take(self, response: pb.StreamResponse) -> None:
        """Take the present server's next answer, and set the future of its message."""
        answered = response.prediction
        entry = self._entries[self._returned]
        self._returned += 1
        fresh = self._returned > self._delivered
        self._delivered = max(self._delivered, self._returned)
        if response.version:
            self.known = True
            self._open.version = response.version  # elsewhere a newer one may be the newest
            self._open.version_label = ""  # or the label may name another
        if answered.state:
            self.move(answered.state)
        if fresh and not entry.answer.done():
            state = answered.state if entry.wanted else b""
            entry.answer.set_result(replace(prediction(answered), state=state))

    def move(self, state: bytes) -> None:
        """Take the state after all that the present server has answered; messages before it need not be kept."""
        self._open.initial_state = state
        for _ in range(self._returned):
            self._entries.popleft()
        self._delivered -= self._returned
        self._returned = 0

    def fail(self, error: CarouselError) -> None:
        """Set the error as the answer of every unanswered message."""
        for entry in list(self._entries)[self._delivered :]:
            if not entry.answer.done():
                entry.answer.set_exception(error)
        self._entries.clear()
        self._delivered = self._returned = 0


def _request(entry: _Entry) -> pb.StreamRequest:
    request = pb.StreamRequest(return_state=entry.return_state)
    request.MergeFrom(entry.steps)
    return request
