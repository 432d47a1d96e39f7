"""HTTP/2 by hand, RFC 9113: frames that no client library would send, and clients that read nothing."""

import re
import socket
from contextlib import suppress

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8

_HEAD, _FRAME, _WINDOW = 9, 1 << 14, (1 << 16) - 1  # bytes; RFC 9113: 4.1, 4.2 and 6.9.2
_INITIAL_WINDOW = 4

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

    def write(self, stream, body, *, ends=True):
        """Send a body in frames of the size that every server takes, as far as the server gives room; return how much.

        The windows of a server that reads are opened as it does, and this one hears of nothing else.
        """
        sent, room, whole = 0, {0: _WINDOW, stream: _WINDOW}, bytearray()
        while sent < len(body):
            size = min(_FRAME, len(body) - sent, *room.values())
            if size > 0:
                last = ends and sent + size == len(body)
                self.send(frame(DATA, END_STREAM if last else 0, stream, body[sent : sent + size]))
                sent += size
                room = {number: left - size for number, left in room.items()}
                continue
            try:
                more = self.socket.recv(1 << 16)
            except TimeoutError:
                break
            if not more:
                break
            whole += more
            for kind, payload, number in _frames(whole):
                if kind == WINDOW_UPDATE and number in room:
                    room[number] += int.from_bytes(payload, "big")
                elif kind == SETTINGS and payload:
                    self.send(frame(SETTINGS, ACK))
                    room[stream] += sum(value - _WINDOW for name, value in _pairs(payload) if name == _INITIAL_WINDOW)
                elif kind == PING:
                    self.send(frame(PING, ACK, 0, payload))
                elif kind in {GOAWAY, RST_STREAM}:
                    return sent
        return sent

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


def _frames(whole):
    """Take the frames that are there from the bytes that came: kind, payload, stream."""
    while len(whole) >= _HEAD and len(whole) >= (end := _HEAD + int.from_bytes(whole[:3], "big")):
        kind, payload, stream = whole[3], bytes(whole[_HEAD:end]), int.from_bytes(whole[5:_HEAD], "big")
        del whole[:end]
        yield kind, payload, stream


def _pairs(payload):
    """Read the names and values of a frame of settings."""
    for at in range(0, len(payload), 6):
        yield int.from_bytes(payload[at : at + 2], "big"), int.from_bytes(payload[at + 2 : at + 6], "big")
