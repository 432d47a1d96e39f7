"""Live sequences for programs that stand on asyncio."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, Self

import grpc
import numpy as np
from numpy.typing import ArrayLike

from carousel.client.journal import Journal
from carousel.client.reconnect import Line, Link, Roster
from carousel.client.replies import Prediction, raised
from carousel.errors import Cancelled, CarouselError
from carousel.stubs.v1 import inference_pb2 as pb
from carousel.wire import write_tensor


class AsyncLiveSequence:
    """One live sequence; the server keeps its state, and it survives the loss of a server."""

    def __init__(self, fleet: "AsyncFleet", line: Line, close: Callable[[], None]) -> None:
        self._fleet = fleet
        self._line = line
        self._close = close

    @property
    def key(self) -> str:
        """The caller's name for it."""
        return self._line.key

    async def feed(self, steps: ArrayLike, *, return_state: bool = False) -> Prediction:
        """Take new timesteps, [timesteps, input_dim], and wait for their answer.

        Raises:
            CarouselError: The sequence ended: one of the classes of `carousel.errors`, as the server raised it, or
                Unreachable.
        """
        return await (await self.send(steps, return_state=return_state))

    async def send(self, steps: ArrayLike, *, return_state: bool = False) -> asyncio.Future[Prediction]:
        """Take new timesteps, [timesteps, input_dim], and give their answer's future.

        Waits while too many messages of the fleet are unanswered. Raises as `feed` does.
        """
        return await self._fleet._send(self._line, steps, return_state)  # noqa: SLF001 - two halves of one thing

    def close(self) -> None:
        """Give up the state on the server, and whatever is unanswered."""
        self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class AsyncFleet:
    """Any number of live sequences over one stream.

    async with client.fleet() as fleet:
        pump, valve = fleet.open("sensors", "pump"), fleet.open("sensors", "valve")
        answers = await asyncio.gather(pump.feed(steps), valve.feed(other))
    """

    def __init__(
        self, stream: Callable[[AsyncIterator[pb.StreamRequest]], Any], snapshot_every: int, timeout: float, most: int
    ) -> None:
        """Open streams by `stream`; see `AsyncClient.fleet`."""
        self._stream = stream
        self._snapshot_every = snapshot_every
        self._room = asyncio.BoundedSemaphore(most)
        self._roster = Roster(self._connect, self._later, timeout)
        self._numbers = itertools.count()
        self._readers: set[asyncio.Task[None]] = set()

    def open(
        self,
        model: str,
        key: str | None = None,
        *,
        version: int = 0,
        return_sequences: bool = False,
        initial_state: bytes = b"",
    ) -> AsyncLiveSequence:
        """Begin a live sequence. The server hears of it with its first timesteps.

        Args:
            model: The model's name.
            key: A name for error messages; a number if left out.
            version: The model's version; 0 is the newest served. It stays with the version it began on.
            return_sequences: Every timestep's output, not the last one's of each message alone.
            initial_state: A state to start from, as returned earlier.
        """
        line = self._line(model, key, version, return_sequences, initial_state)
        return AsyncLiveSequence(self, line, partial(self._roster.leave, line))

    def only(self, model: str, version: int, return_sequences: bool, initial_state: bytes) -> AsyncLiveSequence:
        """Begin the only live sequence of this fleet, which closes with it."""
        return AsyncLiveSequence(self, self._line(model, model, version, return_sequences, initial_state), self.close)

    def close(self) -> None:
        """Close every sequence and the stream; whatever is unanswered is given up."""
        self._roster.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def _line(self, model: str, key: str | None, version: int, return_sequences: bool, initial_state: bytes) -> Line:
        opening = pb.Open(model=model, version=version, return_sequences=return_sequences, initial_state=initial_state)
        return Line(str(next(self._numbers)) if key is None else key, Journal(opening, self._snapshot_every))

    async def _send(self, line: Line, steps: ArrayLike, return_state: bool) -> asyncio.Future[Prediction]:
        tensor = pb.Tensor()
        write_tensor(np.asarray(steps, np.float32), tensor)
        await self._room.acquire()
        answer: asyncio.Future[Prediction] = asyncio.get_running_loop().create_future()
        try:
            self._roster.feed(line, tensor, answer, return_state=return_state)
        except CarouselError:
            self._room.release()
            raise
        answer.add_done_callback(lambda _: self._room.release())
        return answer

    def _connect(self) -> Link:
        link = _Link()
        try:
            call = self._stream(link.requests())
        except grpc.aio.UsageError as error:  # gRPC's word for a closed channel
            raise Cancelled("the client was closed") from error
        reader = asyncio.get_running_loop().create_task(self._read(link, call))
        self._readers.add(reader)
        reader.add_done_callback(self._readers.discard)
        return link

    async def _read(self, link: "_Link", call: Any) -> None:
        error = None
        try:
            async for response in call:
                self._roster.received(link, response)
        except grpc.RpcError as end:
            error = raised(end)
        link.finish()
        self._roster.lost(link, error)

    def _later(self, seconds: float, function: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, function)


class _Link:
    """What is written and not yet sent."""

    def __init__(self) -> None:
        self._unsent: asyncio.Queue[pb.StreamRequest | None] = asyncio.Queue()

    def write(self, request: pb.StreamRequest) -> None:
        self._unsent.put_nowait(request)

    def finish(self) -> None:
        self._unsent.put_nowait(None)

    async def requests(self) -> AsyncIterator[pb.StreamRequest]:
        while (request := await self._unsent.get()) is not None:
            yield request
