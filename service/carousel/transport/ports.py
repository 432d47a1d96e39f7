"""A port that belongs to a server before it listens: known, closed to other servers, and taking no connection."""

import errno
import socket
from typing import Self

_BACKLOG = 1024  # connections that wait to be taken
_ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}  # a name like localhost may have an address of a family that is off


class Port:
    """One port at every address of `host`, bound and not listening.

    Processes of this user that bind it with SO_REUSEPORT may listen on it; a second `Port` on it is refused, whether
    anybody listens yet or not.

    Attributes:
        number: The port; a free one if it was asked for as 0.
    """

    def __init__(self, host: str, number: int) -> None:
        """Bind it.

        Raises:
            OSError: It is taken, or the host is none of this machine's; the message names both and says why.
        """
        self.number = number
        self._sockets: list[socket.socket] = []
        try:
            found = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, _, _, _, address in found:
                self._bind(family, address[0])
        except OSError as error:
            self.close()
            written = f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
            raise OSError(f"cannot listen on {written}: {error.strerror or error}") from None

    def _bind(self, family: socket.AddressFamily, address: str | int) -> None:
        held = socket.socket(family, socket.SOCK_STREAM)
        try:
            # Connections of the server before may linger on the port: reuse it, and let no other server do the same.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind((address, self.number))
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        except OSError as error:
            held.close()
            if error.errno in _ABSENT and self._sockets:
                return
            raise
        self._sockets.append(held)
        self.number = held.getsockname()[1]

    def close(self) -> None:
        """Let go of it."""
        for held in self._sockets:
            held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket for HTTP and listen; 0 picks a free port.

    Raises:
        OSError: The address cannot be bound; the message names it.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        # asyncio sends at once, without Nagle's delay, only where the socket says that it is TCP.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise OSError(f"cannot listen on {host}:{port} for HTTP: {error.strerror or error}") from None
    return listener
