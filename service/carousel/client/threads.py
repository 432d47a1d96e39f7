"""What the blocking client does by threads; `tasks` has the same names for the asyncio one."""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

from carousel.client.messages import Prediction
from carousel.stubs.v1 import inference_pb2 as pb

CLOSED = ValueError
"""What gRPC raises when a call is begun on a closed channel."""

Semaphore = threading.BoundedSemaphore
Lock = threading.RLock


class Link:
    """Requests of a stream that are written and not yet sent."""

    def __init__(self) -> None:
        self._unsent: queue.SimpleQueue[pb.StreamRequest | None] = queue.SimpleQueue()

    def write(self, request: pb.StreamRequest) -> None:
        """Send, after what was written before. Does not wait."""
        self._unsent.put(request)

    def finish(self) -> None:
        """Half-close: nothing more will be written."""
        self._unsent.put(None)

    def requests(self) -> Iterator[pb.StreamRequest]:
        """Give the requests as they are written, until `finish`."""
        while (request := self._unsent.get()) is not None:
            yield request


class Runner:
    """Runs functions beside the caller, until they end or the process does."""

    def start(self, function: Callable[..., None], *arguments: object) -> None:
        """Run now."""
        threading.Thread(target=function, args=arguments, name="carousel-live", daemon=True).start()

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        """Run after so many seconds."""
        timer = threading.Timer(seconds, function)
        timer.daemon = True
        timer.start()


def pending() -> Future[Prediction]:
    """Make the future of an answer. It cannot be cancelled: what was sent is not taken back."""
    answer: Future[Prediction] = Future()
    answer.set_running_or_notify_cancel()
    return answer


def result(answer: Future[Prediction]) -> Prediction:
    """Wait for an answer. Raises what the sequence ended by."""
    return answer.result()
