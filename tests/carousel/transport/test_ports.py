"""A port belongs to one server from the moment it is held."""

import select
import socket
import time

import pytest

from carousel.transport import Port, Server


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "localhost"])
def test_a_held_port_is_refused_to_another_and_takes_no_connection(host):
    with Port(host, 0) as held:
        with pytest.raises(OSError, match=rf"cannot listen on \[?{host}\]?:{held.number}: Address already in use"):
            Port(host, held.number)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, held.number))


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "localhost"])
def test_who_shares_it_may_listen_and_another_holder_is_still_refused(host):
    with Port(host, 0) as held:
        servers = [Server({}, reuse_port=True) for _ in range(2)]
        assert [server.listen(host, held.number) for server in servers] == [held.number] * 2
        socket.create_connection((host, held.number)).close()
        with pytest.raises(OSError, match="Address already in use"):
            Port(host, held.number)
        for server in servers:
            server.close()


def test_a_port_is_had_again_at_once():
    """The connections of the server before, which it ended itself, linger for a minute."""
    host = "127.0.0.1"
    with Port(host, 0) as held:
        server = Server({}, reuse_port=True)
        server.listen(host, held.number)
        server.start()
        with socket.create_connection((host, held.number), timeout=10) as client:
            until = time.monotonic() + 10
            while not select.select([client], [], [], 0)[0]:  # the oldest core greets a client only while it is polled
                assert time.monotonic() < until
                server.poll(0.02)
            assert client.recv(100)
            server.close()
            while client.recv(100):
                pass
    Port(host, held.number).close()


@pytest.mark.parametrize(
    ("host", "why"), [("192.0.2.1", "Cannot assign"), ("no.such.host.invalid", "Name or service|name")]
)
def test_a_host_that_is_not_here_is_named(host, why):
    with pytest.raises(OSError, match=rf"cannot listen on {host}:7: .*({why})"):
        Port(host, 7)
