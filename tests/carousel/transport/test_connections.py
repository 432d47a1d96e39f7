"""What a connection may be: one of so many, not silent for ever, and kept alive by its client's pings."""

import select
import socket
import time

import pytest

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
SETTINGS, PING, GOAWAY = 4, 6, 7
PINGED = bytes([0, 0, 8, PING, 0, 0, 0, 0, 0]) + bytes(8)


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(PREFACE)
    return connection


def frames(connection, seconds):
    """Read for so long; return the types of the frames that came, and whether the connection ended."""
    seen, read, end = [], b"", time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([connection], [], [], left)[0]:
            some = connection.recv(1 << 16)
            read += some
            while len(read) >= 9 and len(read) >= (size := 9 + int.from_bytes(read[:3])):
                seen.append(read[3])
                read = read[size:]
            if not some:
                return seen, True
    return seen, False


def test_one_connection_too_many_is_closed_and_there_is_room_again_once_another_ends(polled, methods):
    port = polled(methods, max_connections=3).port
    few = [connect(port) for _ in range(3)]
    assert [each.recv(9)[3] for each in few] == [SETTINGS] * 3
    with connect(port) as extra:
        assert frames(extra, 10) == ([], True)
    few.pop().close()
    end = time.monotonic() + 10
    while frames(connect(port), 0.2)[1]:
        assert time.monotonic() < end
    for each in few:
        each.close()


@pytest.mark.parametrize("allowed", [True, False])
def test_a_client_may_ping_as_often_as_the_server_says(polled, methods, allowed):
    """A client that pings more often is sent away (GOAWAY): by default the core allows a ping in five minutes."""
    port = polled(methods, min_ping_interval=0.05 if allowed else None).port
    with connect(port) as connection:
        seen = []
        for _ in range(8):
            connection.sendall(PINGED)
            seen += frames(connection, 0.15)[0]
            if GOAWAY in seen:
                break
    assert (GOAWAY in seen) is not allowed
    assert not allowed or seen.count(PING) >= 8
