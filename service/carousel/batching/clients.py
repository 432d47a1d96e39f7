"""Whose sequences wait: each client gets as many timesteps as the others, as long as it has work for them.

Start-time fair queueing (Goyal, Vin, Cheng 1996), with timesteps for bytes. A client's `tag` counts the timesteps that
got rows for it. The next row is for the client whose tag is lowest; a client that comes back starts level with the
client served last, so that time not used is not saved up, and whoever asks for little is always next.
"""

import heapq
from collections.abc import Iterator

from carousel.batching.queue import Queue
from carousel.batching.sequence import Sequence
from carousel.batching.share import Share

_SLACK = 64  # entries that may be stale, and tags of clients that left, before they are swept

_Entry = tuple[int, float, int, "Client"]
"""A client's tag, and the due time and number of its soonest due: numbers are unique, so clients are not compared."""


class Client(Share):
    """A share, and the sequences that wait for more of it.

    Attributes:
        queue: Its sequences that wait.
        entry: Where it stands in the order of clients; None where nothing of it waits.
    """

    __slots__ = ("entry", "queue")

    def __init__(self, name: str, tag: int) -> None:
        super().__init__(name, tag)
        self.queue = Queue()
        self.entry: _Entry | None = None


class Clients:
    """The clients that have sequences here, and the order in which they get rows."""

    __slots__ = ("_clients", "_heap", "_left", "_level")

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}
        self._heap: list[_Entry] = []  # of clients with waiting sequences; stale where it is not the client's `entry`
        self._left: dict[str, int] = {}  # tags of those that left with more than their share
        self._level = 0

    def __iter__(self) -> Iterator[Client]:
        """Go through the clients that have sequences here."""
        return iter(self._clients.values())

    def find(self, name: str) -> Client | None:
        """Find a client that has sequences here."""
        return self._clients.get(name)

    def come(self, sequence: Sequence) -> Share:
        """Take note of a new sequence, and say what its client has."""
        client = self._clients.get(sequence.client)
        if client is None:
            tag = max(self._level, self._left.pop(sequence.client, 0))
            client = self._clients[sequence.client] = Client(sequence.client, tag)
            if len(self._clients) == 2:
                for each in self._clients.values():
                    self._place(each)
        client.live += 1
        client.timesteps += sequence.remaining
        return client

    def leave(self, sequence: Sequence) -> None:
        """Take note that a sequence is over."""
        client = self._clients[sequence.client]
        client.live -= 1
        if client.live:
            return
        del self._clients[client.name]
        client.entry = None
        if not self._clients:
            self._heap, self._left, self._level = [], {}, 0
        elif client.tag > self._level:
            self._left[client.name] = client.tag
            if len(self._left) > 2 * len(self._clients) + _SLACK:
                self._left = {name: tag for name, tag in self._left.items() if tag > self._level}

    def push(self, sequence: Sequence, kind: int = 0) -> None:
        """Let a sequence wait."""
        client = self._clients[sequence.client]
        client.queue.push(sequence, kind)
        self._place(client)

    def forget(self, sequence: Sequence) -> None:
        """Note that a sequence, which may be among the waiting, was cancelled."""
        self._clients[sequence.client].queue.forget()

    def head(self) -> Sequence | None:
        """Look at the soonest due of the client that is next; None when none waits."""
        if len(self._clients) == 1:
            (only,) = self._clients.values()
            return only.queue.head()
        while self._heap:
            entry = self._heap[0]
            client = entry[-1]
            if client.entry is entry:
                head = client.queue.head()
                if head is not None and head.number == entry[2]:
                    return head
                self._place(client)
            else:
                heapq.heappop(self._heap)
        return None

    def take(self, head: Sequence, kind: int = 0) -> None:
        """Give the head of a kind a row: it does not wait any more, and its client has had what it will run."""
        client = self._clients[head.client]
        client.queue.pop(kind)
        self._level = max(self._level, client.tag)
        client.tag += head.remaining
        self._place(client)

    def put_back(self, sequence: Sequence) -> None:
        """Take a sequence off its row: it waits again, and its client has not had what it did not run."""
        sequence.share.tag -= sequence.remaining
        self.push(sequence)

    def next_of(self, kind: int) -> Sequence | None:
        """Look at the soonest due of a kind, of the client that is next; None when none of it waits."""
        heads = [
            (client.tag, head.due, head.number, head)
            for client in self._clients.values()
            if (head := client.queue.head(kind)) is not None
        ]
        return min(heads)[-1] if heads else None

    def _place(self, client: Client) -> None:
        """Order a client by what it has now; one alone needs no order."""
        if len(self._clients) == 1:
            client.entry = None
            return
        head = client.queue.head()
        if head is None:
            client.entry = None
            return
        entry = (client.tag, head.due, head.number, client)
        if client.entry is None or entry[:3] != client.entry[:3]:
            client.entry = entry
            heapq.heappush(self._heap, entry)
            if len(self._heap) > 2 * len(self._clients) + _SLACK:
                self._heap = [entry for entry in self._heap if entry[-1].entry is entry]
                heapq.heapify(self._heap)
