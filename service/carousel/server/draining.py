"""The orderly end of a server."""

import logging
from collections.abc import Callable

from carousel import transport
from carousel.loop import Loop
from carousel.rpc.stream import Streams
from carousel.serving import Lifecycle, Phase, Requests, Sessions

logger = logging.getLogger("carousel.server")

_LOOK = 0.05  # seconds between two looks at whether it is over


class Drain:
    """Say that it will end, take nothing new, finish what was admitted, and end what is still open then.

    Of the loop's thread alone.
    """

    def __init__(
        self,
        loop: Loop,
        server: transport.Server,
        lifecycle: Lifecycle,
        sessions: Sessions,
        requests: Requests,
        streams: Streams,
        tell_health: Callable[[], None],
        *,
        notice_seconds: float,
        longest_seconds: float,
    ) -> None:
        """Prepare it: balancers get `notice_seconds` to look elsewhere, open calls then `longest_seconds` to end."""
        self._loop = loop
        self._server = server
        self._lifecycle = lifecycle
        self._sessions = sessions
        self._requests = requests
        self._streams = streams
        self._tell_health = tell_health
        self._notice = notice_seconds
        self._longest = longest_seconds
        self._given_up = False

    def begin(self) -> None:
        """Give notice; a server that never took a connection needs none. Once it was begun, nothing happens."""
        listening = self._lifecycle.phase is not Phase.STARTING
        if self._lifecycle.advance(Phase.NOTICE):
            self._tell_health()
            self._loop.after(self._notice if listening else 0.0, self._finish)

    def _finish(self) -> None:
        self._lifecycle.advance(Phase.DRAINING)
        self._sessions.go_away()
        self._streams.drain()
        self._server.stop_accepting()
        self._loop.after(self._longest, self._give_up)
        self._look()

    def _look(self) -> None:
        # What came over HTTP is no call of the gRPC server's.
        held = len(self._sessions) or self._requests.held_bytes
        if self._server.stopped and (self._given_up or not held):
            self._loop.stop()
        else:
            self._loop.after(_LOOK, self._look)

    def _give_up(self) -> None:
        self._given_up = True
        logger.warning("%d calls were still open after the drain; ending them", self._server.open_calls)
        self._server.cancel_all()
