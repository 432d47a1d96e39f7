"""One call, from its headers to its status."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from grpc._cython import cygrpc

from carousel.transport.metadata import Metadata, check
from carousel.transport.patience import Waits
from carousel.transport.status import MAX_DETAILS, Code, Status, cut

logger = logging.getLogger("carousel.transport")

_FOREVER = 1e12  # the C core says "no deadline" as a time some hundred billion years from 1970


class Owner(Protocol):
    """Who holds the calls, and watches for cancellation those that are not answered at once."""

    calls: set["Call"]
    unwatched: dict["Call", None]
    waits: Waits

    def observe(self, call: "Call", code: int) -> None:
        """Take note of a call that is answered or gone, and of its status code."""


def _ignore(_event: Any) -> None:
    """Take an event that says nothing new."""


class Call:
    """One call: `reply` or `fail` answers a unary one; a stream goes by `receive`, `send` and then `finish` or `fail`.

    Everything happens on the thread that polls, and nothing blocks. Once a call is `done`, because it was answered or
    because the client went away, every further answer is dropped without a word: who answers need not ask first. What a
    service function or a callback raises fails the call with INTERNAL and goes to the log.
    """

    __slots__ = (
        "_begun",
        "_call",
        "_ending",
        "_leaving",
        "_opened",
        "_owner",
        "_queue",
        "_then",
        "_watched",
        "began",
        "client",
        "deadline",
        "done",
        "metadata",
        "method",
        "model",
        "on_cancel",
        "on_sent",
        "reason",
        "request_id",
        "status",
        "unsent",
    )

    def __init__(self, owner: Owner, call: Any, method: str, metadata: Metadata, deadline: float) -> None:
        self._owner = owner
        self._call = call
        self._ending: Any = None  # the status operation that waits for queued messages
        self._begun = False  # a message came
        self._opened = False  # initial metadata was sent
        self._leaving: bytes | None = None  # the message in the core
        self._queue: deque[bytes] | None = None  # and those behind it
        self._then: Callable[..., None] | None = None
        self._watched = False
        owner.calls.add(self)
        self.method = method
        self.metadata = metadata
        self.began = time.monotonic()
        """When the call was accepted, in seconds of `time.monotonic()`."""
        self.deadline = math.inf if deadline > _FOREVER else self.began + deadline - time.time()
        """When the client stops waiting, in seconds of `time.monotonic()`; math.inf when it set no deadline."""
        self.client = ""
        """Whose call it is, for fair shares; who takes the call says so."""
        self.model = self.request_id = self.reason = ""
        """What it asks for, by which id, and the error's name if it failed; as far as those who serve it say so."""
        self.status: Status | None = None
        """What it failed with."""
        self.done = False
        """Answered, or gone."""
        self.on_cancel: Callable[[], None] | None = None
        """Called once if the client cancels, vanishes or runs into its deadline before the call is answered."""
        self.on_sent: Callable[[], None] | None = None
        """Called each time a message of a stream has left, until the call is done."""
        self.unsent = 0
        """Bytes given to `send` that have not left: what a slow reader costs in memory."""

    @property
    def peer(self) -> str:
        """The client's address, as `ipv4:127.0.0.1:49152`."""
        return str(self._call.peer().decode())

    @property
    def identities(self) -> dict[str, tuple[bytes, ...]]:
        """What TLS says of the peer, as `x509_common_name` or `peer_spiffe_id`; names only with mutual TLS."""
        return {name.decode(): tuple(values) for name, values in (cygrpc.auth_context(self._call) or {}).items()}

    @property
    def secure(self) -> bool:
        """Whether the call came over TLS."""
        return self.identities.get("transport_security_type") == (b"ssl",)

    @property
    def local(self) -> bool:
        """Whether the call came over a Unix socket, which file permissions keep."""
        return self.peer.startswith("unix:")

    def reply(self, message: bytes) -> None:
        """Answer with one message and status OK."""
        if self._opened:
            self.send(message)
            self.finish()
        elif not self.done:
            self._release(Code.OK)
            self._unsent_is(len(message))
            self._answer(
                cygrpc.SendMessageOperation(message, 0), cygrpc.SendStatusFromServerOperation(None, Code.OK, b"", 0)
            )

    def fail(self, status: Status, metadata: Metadata = ()) -> None:
        """Answer with a status and trailing metadata, after the messages already given to `send`.

        Raises ValueError naming metadata that cannot go over the wire.
        """
        if self.done:
            return
        check(metadata)
        self.status = status
        if 0 < len(status.details) <= MAX_DETAILS:
            metadata = (*metadata, ("grpc-status-details-bin", status.details))
        self._release(status.code)
        self._end(cygrpc.SendStatusFromServerOperation(metadata, int(status.code), cut(status.message), 0))

    def finish(self) -> None:
        """End a stream with status OK, after the messages already given to `send`."""
        if not self.done:
            self._release(Code.OK)
            self._end(cygrpc.SendStatusFromServerOperation(None, Code.OK, b"", 0))

    def receive(self, then: Callable[[bytes | None], None]) -> None:
        """Give the stream's next message to `then`; None at the client's half-close. One at a time.

        Not asking again is flow control: the client's window fills and its sends wait. A client that is gone is told by
        `on_cancel` instead.
        """
        if self.done:
            return
        if self._then is not None:
            raise RuntimeError(f"{self.method}: receive was called while an earlier one waits for its message")
        self._then = then
        self._call.start_server_batch((cygrpc.ReceiveMessageOperation(0),), self._received)

    def send(self, message: bytes) -> None:
        """Send one message of a stream, after those before it."""
        if self.done:
            return
        self._unsent_is(self.unsent + len(message))
        if self._leaving is None:
            self._transmit(message)
        elif self._queue is None:
            self._queue = deque((message,))
        else:
            self._queue.append(message)

    def withdraw(self, status: Status) -> None:
        """Fail it if it still waits for its first message: nothing of it was accepted. For `Server`."""
        if self._then is not None and not self._begun:
            self.fail(status)

    def give_up(self, seconds: float) -> None:
        """Fail it: its message did not come within so many seconds. For `Waits`."""
        text = f"{self.method}: its request message did not come within {seconds:g} s"
        self.fail(Status(Code.DEADLINE_EXCEEDED, text))

    def drop(self) -> None:
        """End it at once: its client does not read, and what was written for it is forgotten. For `Waits`."""
        self._call.cancel()
        self._gone()

    def serve(self, function: Callable[["Call", bytes], None]) -> None:
        """Call a unary `function` once the request message is there. For `Server`."""
        self._then = function
        self._owner.waits.expect_message(self)
        self._call.start_server_batch((cygrpc.ReceiveMessageOperation(0),), self._requested)

    def stream(self, function: Callable[["Call"], None]) -> None:
        """Call a streaming `function` now. For `Server`."""
        self.watch()
        self._run(function, self)

    def watch(self) -> None:
        """Ask the core to say when the call is over, which is how a cancellation is seen. For `Server`."""
        if not self._watched:
            self._watched = True
            self._call.start_server_batch((cygrpc.ReceiveCloseOnServerOperation(0),), self._closed)

    def _requested(self, event: Any) -> None:
        function, self._then, self._begun = self._then, None, True
        self._owner.waits.has_message(self)
        message = event.batch_operations[0].message()
        if message is None:  # too large a message gets here as well, but then the core has already answered
            self.fail(Status(Code.INVALID_ARGUMENT, f"{self.method} takes one request message, and none came."))
        elif function is not None:
            self._run(function, self, message)

    def _received(self, event: Any) -> None:
        if self.done or not event.success:  # a message that was refused, too large say: the close follows
            return
        self._begun = True
        message = event.batch_operations[0].message()
        if message is None:
            # A client that is gone looks the same here, and its close comes a moment later. Asking once more gives None
            # again, but only after the core is done with the close.
            self._call.start_server_batch((cygrpc.ReceiveMessageOperation(0),), self._half_closed)
        else:
            then, self._then = self._then, None
            if then is not None:
                self._run(then, message)

    def _half_closed(self, _event: Any) -> None:
        then, self._then = self._then, None
        if then is not None:
            self._run(then, None)

    def _transmit(self, message: bytes) -> None:
        """Hand one message to the core, with the status when it is the last."""
        self._leaving = message
        operations = [cygrpc.SendMessageOperation(message, 0)]
        if not self._opened:
            self._opened = True
            operations.insert(0, cygrpc.SendInitialMetadataOperation(None, 0))
        if self._ending is not None and not self._queue:
            operations.append(self._ending)
            self._ending = None
        self._call.start_server_batch(operations, self._sent)

    def _sent(self, event: Any) -> None:
        if self._leaving is not None:
            self._unsent_is(self.unsent - len(self._leaving))
            self._leaving = None
        if not event.success:
            self._gone()
        elif self._queue:
            self._transmit(self._queue.popleft())
        elif self._ending is not None:
            self._answer(self._ending)
            self._ending = None
        if self.on_sent is not None and not self.done:
            self._run(self.on_sent)

    def _end(self, ending: Any) -> None:
        if self._leaving is not None:
            self._ending = ending
        else:
            self._answer(ending)

    def _answer(self, *operations: Any) -> None:
        """Give the core its last batch for this call."""
        if not self._opened:
            self._opened = True
            operations = (cygrpc.SendInitialMetadataOperation(None, 0), *operations)
        if self._watched:
            self._call.start_server_batch(operations, _ignore)
        else:
            self._watched = True
            self._owner.unwatched.pop(self, None)
            self._call.start_server_batch((*operations, cygrpc.ReceiveCloseOnServerOperation(0)), self._closed)

    def _closed(self, _event: Any) -> None:
        self._owner.calls.discard(self)
        self._gone()

    def _unsent_is(self, size: int) -> None:
        if size != self.unsent:
            self._owner.waits.unsent(self, self.unsent, size)
            self.unsent = size

    def _gone(self) -> None:
        """Nothing reaches the client any more."""
        self._queue = self._ending = None
        self._unsent_is(0 if self._leaving is None else len(self._leaving))
        if not self.done:
            on_cancel = self.on_cancel
            self._release(Code.CANCELLED)
            if on_cancel is not None:
                self._run(on_cancel)

    def _release(self, code: int) -> None:
        """Be done, and let go of the service's callbacks, which hold the call in their turn."""
        self.done = True
        if not self._begun:
            self._owner.waits.has_message(self)
        self.on_cancel = self.on_sent = self._then = None
        try:
            self._owner.observe(self, code)
        except Exception:
            logger.exception("%s could not be observed", self.method)

    def _run(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception:
            logger.exception("%s failed", self.method)
            self.fail(Status(Code.INTERNAL, f"{self.method} failed inside the server; its log says why."))
