"""Three servers are restarted one after the other under load: no request fails, and no live sequence breaks."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from carousel.client import Client
from tests.deploy.callers import CLIENTS, SEQUENCES, Live, Unary
from tests.deploy.proxied import Proxy
from tests.deploy.tools import Served

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
FLAGS = ("--drain-notice-seconds", "2.5", "--drain-seconds", "10")


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


def _disturbed(servers: list[Served], repository: Path, target: str, ends: ExitStack) -> None:
    """Restart each of the servers under unary and live load; everything that was asked is answered, bit for bit."""
    unary, live = Unary(target), Live(target)
    ends.callback(live.end)
    ends.callback(unary.end)
    _restart_each(servers, repository, ends)
    unary.end()
    live.end()
    assert unary.failures == []
    assert unary.answered > 100
    assert len(live.sequences) == CLIENTS * SEQUENCES
    with Client(target) as client:
        for sequence in live.sequences:
            assert sequence.moved
            assert sequence.order == list(range(len(sequence.messages)))
            [whole] = client.predict("lstm", [np.concatenate(sequence.messages)], return_sequences=True)
            last_of_each = np.cumsum([len(steps) for steps in sequence.messages]) - 1
            assert sequence.outputs().tobytes() == whole.output[last_of_each].tobytes()


@pytest.mark.slow
def test_a_rolling_restart_behind_clients_that_balance_loses_nothing(repository):
    """Round robin over three addresses, all three restarted: no request fails, and no live sequence breaks."""
    with ExitStack() as ends:
        servers = _three(repository, ends)
        _disturbed(servers, repository, "ipv4:" + ",".join(server.address for server in servers), ends)


def test_a_rolling_restart_behind_a_proxy_loses_nothing(repository, tmp_path):
    """One address of haproxy, which balances requests, all three behind it restarted: the same."""
    with ExitStack() as ends:
        servers = _three(repository, ends)
        proxy = ends.enter_context(Proxy(tmp_path, servers))
        _disturbed(servers, repository, proxy.address, ends)
