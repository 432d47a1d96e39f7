"""Bodies of requests: read whole, bounded in bytes and in time, before anything is made of them."""

import asyncio
import zlib
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from carousel.errors import Cancelled, DeadlineExceeded, InvalidRequest, Overloaded, Violation

_PACKED = 32 + zlib.MAX_WBITS  # gzip or zlib, which HTTP calls deflate


@dataclass(slots=True)
class Bodies:
    """Reads bodies, all of them together within a limit. Of one event loop.

    Attributes:
        max_bytes: Of one body, inflated.
        max_held_bytes: Of all that are being read or worked on.
        seconds: That a client may take to send one.
        held: Bytes of those that are here now.
    """

    max_bytes: int
    max_held_bytes: int
    seconds: float
    held: int = 0

    async def read(self, request: Request) -> "Body":
        """Read the body of a request. The caller closes it once nothing of it is needed any more.

        Raises:
            InvalidRequest: It is too large, or says that it is compressed and is not.
            Overloaded: The bodies that are here already take too much.
            DeadlineExceeded: It did not come in time.
            Cancelled: The client is gone.
        """
        said = request.headers.get("content-length", "")
        if said.isdigit() and int(said) > self.max_bytes:
            raise self._too_large(said)
        body = Body(self)
        try:
            async with asyncio.timeout(self.seconds):
                async for piece in request.stream():
                    body.add(piece)
        except TimeoutError:
            body.close()
            raise DeadlineExceeded(f"the request's body did not come within {self.seconds:g} s") from None
        except ClientDisconnect:
            body.close()
            raise Cancelled("the client is gone") from None
        except BaseException:
            body.close()
            raise
        encoding = request.headers.get("content-encoding", "")
        if "gzip" in encoding or "deflate" in encoding:
            body.inflate()
        return body

    def _too_large(self, size: object) -> InvalidRequest:
        found = f"has {size} bytes, the limit is {self.max_bytes} (max_message_bytes)"
        return InvalidRequest((Violation("body", found),))

    def take(self, before: int, size: int) -> None:
        """Count `size` bytes more of a body that has `before`. Raises as `read`."""
        if before + size > self.max_bytes:
            raise self._too_large(f"more than {before}")
        if self.held + size > self.max_held_bytes:
            raise Overloaded(
                f"bodies of {self.held} bytes are being worked on, the limit is {self.max_held_bytes} (max_held_bytes)"
            )
        self.held += size


class Body:
    """One body. Its bytes count until it is closed."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def content(self) -> bytes:
        """All of it."""
        if len(self._pieces) != 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0]

    def add(self, piece: bytes) -> None:
        """Take one piece more. Raises as `Bodies.read`."""
        self._bodies.take(self._size, len(piece))
        self._size += len(piece)
        self._pieces.append(piece)

    def inflate(self) -> None:
        """Unpack what it holds, and no more of it than is allowed. Raises as `Bodies.read`."""
        inflater, packed = zlib.decompressobj(_PACKED), self.content
        self.close()
        try:
            self.add(inflater.decompress(packed, self._bodies.max_bytes + 1))
        except zlib.error as error:
            raise InvalidRequest((Violation("body", f"is said to be compressed and is not: {error}"),)) from None

    def close(self) -> None:
        """Let go of it."""
        self._bodies.held -= self._size
        self._size = 0
        self._pieces = []
