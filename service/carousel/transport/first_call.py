"""The server's call to itself: only with a call that was once accepted can another thread wake the polling one."""

import logging
import shutil
import tempfile
from pathlib import Path

import grpc

logger = logging.getLogger("carousel.transport")

_METHOD = "/carousel.Wake/FirstCall"  # which no server has: it is answered with UNIMPLEMENTED, and that is enough


class FirstCall:
    """One call over a socket in a folder of this user's own, which is gone once the call is over.

    Attributes:
        address: What the server has to listen on beside its ports; "" where no such socket can be made.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._channel: grpc.Channel | None = None
        self.address = ""
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="carousel-"))
        except OSError as error:
            logger.warning("no temporary folder (%s): until the first gRPC call, HTTP is answered late", error)
        else:
            self.address = f"unix:{self._folder / 'first'}"

    def make(self) -> None:
        """Call. Returns at once; the server's polling thread has to answer."""
        if self._folder is not None:
            self._channel = grpc.insecure_channel(self.address)
            method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(_METHOD)
            call = method.future(b"", timeout=60)
            call.add_done_callback(lambda _: self.close())

    def close(self) -> None:
        """Take everything away. From any thread."""
        if self._channel is not None:
            self._channel.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
