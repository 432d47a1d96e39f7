"""HTTP's side of one WebSocket: reads messages no faster than they are answered, writes the answers in order."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from carousel import errors
from carousel.errors import CarouselError, DeadlineExceeded
from carousel.http.bodies import Bodies
from carousel.http.failures import ERROR
from carousel.http.live.holder import Answer, Holder, failing
from carousel.http.live.messages import read_message, write_message
from carousel.serving import unexpected

_MAX_UNANSWERED = 4096  # messages
_MAX_HELD = 4 << 20  # bytes of unanswered messages
_MAX_UNSENT = 1 << 20  # bytes of tensors that wait for a slow reader

_NORMAL, _REFUSED = 1000, 1008
_CODES: dict[type[CarouselError], int] = {
    errors.GoingAway: 1001,
    errors.EngineFault: 1011,
    errors.ServerFault: 1011,
    errors.Overloaded: 1013,
}
"""How a connection is closed after an error, by RFC 6455 and IANA's list; whatever else is a message to be changed."""


class Conversation:
    """One connection from its acceptance to its end. Of HTTP's event loop."""

    def __init__(
        self, websocket: WebSocket, bodies: Bodies, post: Callable[[Callable[[], None]], None], seconds: float
    ) -> None:
        """Talk over `websocket`, whose first message comes within `seconds`; `post` reaches the loop's thread."""
        self._websocket = websocket
        self._bodies = bodies
        self._post = post
        self._seconds = seconds
        self._home = asyncio.get_running_loop()
        self._answers: asyncio.Queue[Answer | None] = asyncio.Queue()  # None: the client is gone
        self._sizes: deque[int] = deque()  # of the messages whose answers were not sent yet, in order
        self._held = 0  # their sum
        self._unsent = 0  # bytes of the answers in the queue
        self._room = asyncio.Event()

    def tell(self, answer: Answer) -> None:
        """Bring an answer. From the loop's thread."""
        with suppress(RuntimeError):  # the event loop is closed: the server is going down, and nothing waits any more
            self._home.call_soon_threadsafe(self._tell, answer)

    async def run(self, holder: Holder) -> None:
        """Talk until one side ends."""
        reading = asyncio.create_task(self._read(holder))
        try:
            await self._write()
        except WebSocketDisconnect:
            pass
        except Exception as bug:  # noqa: BLE001 - whatever a bug raises ends this connection, and nothing else
            await self._send(failing(unexpected(bug, "an answer of a live sequence could not be sent"), 0))
        finally:
            reading.cancel()
            self._release(len(self._sizes))
            self._post(holder.leave)

    def _tell(self, answer: Answer) -> None:
        self._unsent += answer.size
        self._answers.put_nowait(answer)
        self._look_for_room()

    async def _read(self, holder: Holder) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                text = await self._receive()
            while text is not None:
                self._take(text, holder)
                await self._room.wait()
                text = await self._receive()
        except TimeoutError:
            late = DeadlineExceeded(f"no message came within {self._seconds:g} s (http_timeout_seconds)")
            self._post(lambda: holder.refuse(late))
        except Exception as bug:  # noqa: BLE001 - as above
            error = unexpected(bug, "a message of a live sequence could not be read")
            self._post(lambda: holder.refuse(error))
        else:
            self._answers.put_nowait(None)

    async def _receive(self) -> bytes | None:
        """Give the next message; None once the client is gone."""
        event = await self._websocket.receive()
        if event["type"] == "websocket.disconnect":
            return None
        text: str | None = event.get("text")
        return bytes(event["bytes"]) if text is None else text.encode()

    def _take(self, text: bytes, holder: Holder) -> None:
        try:
            self._hold(len(text))
            message = read_message(text)
        except CarouselError as error:
            refused = error
            self._post(lambda: holder.refuse(refused))
        else:
            self._post(lambda: holder.take(message))

    async def _write(self) -> None:
        while (answer := await self._answers.get()) is not None:
            await self._send(answer)
            self._release(answer.settles)
            self._unsent -= answer.size
            self._look_for_room()
            if answer.last:
                return

    async def _send(self, answer: Answer) -> None:
        await self._websocket.send_text(write_message(answer.document))
        if answer.last:
            error = self._websocket.scope[ERROR] = answer.error
            await self._websocket.close(_NORMAL if error is None else _CODES.get(type(error), _REFUSED))

    def _hold(self, size: int) -> None:
        self._sizes.append(0)
        self._bodies.take(0, size)
        self._sizes[-1] = size
        self._held += size
        self._look_for_room()

    def _release(self, messages: int) -> None:
        for _ in range(messages):
            size = self._sizes.popleft()
            self._held -= size
            self._bodies.held -= size

    def _look_for_room(self) -> None:
        if len(self._sizes) < _MAX_UNANSWERED and self._held < _MAX_HELD and self._unsent < _MAX_UNSENT:
            self._room.set()
        else:
            self._room.clear()
