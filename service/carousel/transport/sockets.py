"""The TCP sockets of this process, as the kernel knows them: the C core tells nobody which connections it holds."""

import os
import socket
import struct
import termios
from collections.abc import Collection, Iterator
from contextlib import suppress
from fcntl import ioctl
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple
from urllib.parse import unquote

_INT = struct.Struct("=i")
_BYTES_ACKED = struct.Struct("=120xQ")  # where struct tcp_info of <linux/tcp.h> holds tcpi_bytes_acked


class Peer(NamedTuple):
    """The other end of a connection."""

    host: str
    port: int


class Connection:
    """A duplicate of one of this process's accepted sockets: looking at it and ending it touch no other."""

    def __init__(self, duplicate: socket.socket) -> None:
        self._socket = duplicate
        host, port, *_ = duplicate.getpeername()
        self.peer = Peer(_plain(host), port)
        self.inode = os.fstat(duplicate.fileno()).st_ino
        """Tells it from every other socket that is open."""

    @property
    def acknowledged(self) -> int:
        """Bytes that the other end's kernel has taken."""
        known = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED.size)
        return int(_BYTES_ACKED.unpack(known.ljust(_BYTES_ACKED.size, b"\0"))[0])

    @property
    def unacknowledged(self) -> int:
        """Bytes written that the other end's kernel has not taken yet."""
        return int(_INT.unpack(ioctl(self._socket.fileno(), termios.TIOCOUTQ, _INT.pack(0)))[0])

    def end(self) -> None:
        """End both directions; what was written before still leaves."""
        _shut(self._socket)


def peer_of(written: str) -> Peer | None:
    """Read a peer as the C core writes it, `ipv4:127.0.0.1:49152` or `ipv6:%5B::1%5D:49152`; None if it is no TCP."""
    scheme, _, rest = unquote(written).partition(":")
    host, _, port = rest.rpartition(":")
    return Peer(_plain(host.strip("[]")), int(port)) if scheme in {"ipv4", "ipv6"} else None


def stop_listening(ports: Collection[int]) -> None:
    """Take no more connections on `ports`: the kernel refuses them from now on, or gives them to another process."""
    for each in _bound(ports):
        with each:
            if each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                _shut(each)


def connections(ports: Collection[int]) -> Iterator[Connection]:
    """Go through the connections that this process accepted on `ports` and has not closed."""
    for each in _bound(ports):
        with each:
            if not each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                try:
                    connection = Connection(each)
                except OSError:  # it is over: the kernel has forgotten its peer
                    continue
                yield connection


def _bound(ports: Collection[int]) -> Iterator[socket.socket]:
    """Go through this process's TCP sockets on `ports`, as duplicates that the caller closes."""
    try:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH208 - numbers, not paths
    except OSError:  # no /proc: the C core closes them by its own means
        return
    for number in numbers:
        # The C core's threads open and close while this looks: a duplicate stays what it is.
        try:
            duplicate = os.dup(number)
        except OSError:  # closed in the meantime
            continue
        try:
            found = socket.socket(fileno=duplicate)
        except OSError:  # no socket
            os.close(duplicate)
            continue
        tcp = found.family in {socket.AF_INET, socket.AF_INET6} and found.type == socket.SOCK_STREAM
        if tcp and found.getsockname()[1] in ports:
            yield found
        else:
            found.close()


def _shut(end: socket.socket) -> None:
    with suppress(OSError):  # the other side was quicker
        end.shutdown(socket.SHUT_RDWR)


def _plain(host: str) -> str:
    """Write an address one way, whichever family its socket is of."""
    address = ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
