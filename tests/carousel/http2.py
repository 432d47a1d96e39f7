"""HTTP/2 by hand, RFC 9113: frames that no client library would send, and clients that read nothing."""

import re
import socket
from contextlib import suppress

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8

_STATUS = re.compile(rb"grpc-status.(\d+)\x00?.?grpc-message(.)", re.DOTALL)


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """One frame; `length` lies about its payload."""
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name, value):
    """One header field of fewer than 127 bytes each, as HPACK writes it without an index (RFC 7541, 6.2.2)."""
    assert len(name) < 127
    assert len(value) < 127
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def fields(path, *more):
    """The header block of a gRPC call."""
    named = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"a")]
    named += [(b"content-type", b"application/grpc"), (b"te", b"trailers"), *more]
    return b"".join(literal(name, value) for name, value in named)


def call(path, message=b"", *more, stream=1):
    """The two frames of a unary gRPC call."""
    body = b"\0" + len(message).to_bytes(4, "big") + message
    return frame(HEADERS, END_HEADERS, stream, fields(path, *more)) + frame(DATA, END_STREAM, stream, body)


class Connection:
    """A connection that was opened by preface and settings."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.sendall(PREFACE + frame(SETTINGS))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *frames):
        self.socket.sendall(b"".join(frames))

    def read(self, seconds=20.0, until=None):
        """Read what comes until `until` is found, the server hangs up or so many seconds pass without anything."""
        self.socket.settimeout(seconds)
        came = b""
        with suppress(TimeoutError, ConnectionError):
            while more := self.socket.recv(1 << 16):
                came += more
                if until is not None and until.search(came):
                    break
        return came

    def status(self):
        """Read until the call has ended; return its status code and message, None where the server hung up."""
        came = self.read(until=_STATUS)
        found = _STATUS.search(came)
        if found is None:
            return None
        return int(found[1]), came[found.end() : found.end() + found[2][0]].decode(errors="replace")
