"""Three servers are restarted one after the other under load, and no request fails."""

import socket
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from carousel.client import Client
from carousel.errors import CarouselError
from tests.deploy.tools import Served, tool

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
FLAGS = ("--drain-notice-seconds", "1.5", "--drain-seconds", "10")
# A client watches the health of each address. Behind a proxy one address is many servers, and the watch would reach one
# of them alone; told UNIMPLEMENTED, the client leaves health to the proxy.
HAPROXY = """
global
    maxconn 1000
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
frontend carousel
    bind 127.0.0.1:{port} proto h2
    http-request return status 200 hdr content-type application/grpc hdr grpc-status 12 if {{ path {watch} }}
    default_backend carousel
backend carousel
    balance roundrobin
    retry-on conn-failure empty-response
    option redispatch 1
    {servers}
"""


class Callers:
    """Clients that ask one request after the other, and count how they end."""

    def __init__(self, target: str) -> None:
        self.answered, self.failures = 0, []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(target, seed)) for seed in range(4)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, target: str, seed: int) -> None:
        random = np.random.default_rng(seed)
        with Client(target) as client:
            while not self._over.wait(0.005):
                sequence = random.standard_normal((int(random.integers(1, 40)), 8), np.float32)
                try:
                    client.predict("lstm", [sequence], timeout=30)
                    self.answered += 1
                except CarouselError as error:
                    self.failures.append(f"{type(error).__name__}: {error}")


def _restart_each(servers: list[Served], repository: Path, ends: ExitStack) -> None:
    """Replace one server after the other: the old one drains and ends by itself before the next turn."""
    for index, old in enumerate(servers):
        old.terminate()
        assert old.wait(60) == 0
        servers[index] = _started(repository, old.host, old.port, ends)


def _started(repository: Path, host: str, port: int, ends: ExitStack) -> Served:
    server = Served(repository, *FLAGS, host=host, port=port)
    ends.callback(server.end)
    with Client(server.address) as client:
        client.wait_until_serving(60)
    return server


def _three(repository: Path, ends: ExitStack) -> list[Served]:
    first = _started(repository, HOSTS[0], 0, ends)
    return [first, *(_started(repository, host, first.port, ends) for host in HOSTS[1:])]


def test_a_rolling_restart_behind_clients_that_balance_loses_no_request(repository):
    """Round robin over three addresses, all three restarted: every request is answered."""
    with ExitStack() as ends:
        servers = _three(repository, ends)
        callers = Callers("ipv4:" + ",".join(server.address for server in servers))
        ends.callback(callers.end)
        _restart_each(servers, repository, ends)
        callers.end()
        assert callers.failures == []
        assert callers.answered > 100


def test_a_rolling_restart_behind_a_proxy_loses_no_request(repository, tmp_path):
    """One address of haproxy, which balances each request, all three behind it restarted: every request is answered."""
    with ExitStack() as ends:
        servers = _three(repository, ends)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        lines = (f"server s{n} {server.address} proto h2 check inter 200ms" for n, server in enumerate(servers))
        (tmp_path / "haproxy.cfg").write_text(
            HAPROXY.format(port=port, watch="/grpc.health.v1.Health/Watch", servers="\n    ".join(lines))
        )
        proxy = subprocess.Popen([tool("haproxy", "haproxy"), "-db", "-f", str(tmp_path / "haproxy.cfg")])
        ends.callback(proxy.wait)
        ends.callback(proxy.kill)
        with Client(f"127.0.0.1:{port}") as client:
            client.wait_until_serving(30)
        callers = Callers(f"127.0.0.1:{port}")
        ends.callback(callers.end)
        _restart_each(servers, repository, ends)
        callers.end()
        assert callers.failures == []
        assert callers.answered > 100
