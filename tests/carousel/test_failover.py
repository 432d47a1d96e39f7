"""Live sequences through the loss of servers: real processes, real signals, real sockets."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from carousel.client import AsyncClient, Client
from carousel.errors import Unreachable

SEQUENCES = 200
ROUNDS = 40
_SERVICE = Path(__file__).parents[2] / "service"


class Process:
    """One `carousel serve` on an address that it keeps when it is started again."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "carousel", "serve", "--repository", str(self.repository)),
                *("--host", "127.0.0.1", "--port", str(self.port), "--http-host", "127.0.0.1", "--http-port", "0"),
                *("--drain-notice-seconds", "0.2", "--engine", "onnx", "--log-level", "error"),
            ],
            env=os.environ | {"PYTHONPATH": str(_SERVICE)},
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_until_serving(self) -> None:
        said = self.process.stdout.readline()
        assert re.search(rf":{self.port},", said), said
        with Client(f"127.0.0.1:{self.port}") as client:
            client.wait_until_serving(30)

    def end(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.communicate(timeout=30)


@pytest.fixture
def three(only):
    processes = [Process(only("small")) for _ in range(3)]
    try:
        for each in processes:
            each.wait_until_serving()
        yield processes
    finally:
        for each in processes:
            each.end(signal.SIGKILL)


def target(processes) -> str:
    return "ipv4:" + ",".join(f"127.0.0.1:{each.port}" for each in processes)


def disturbances(processes):
    """What happens to the servers, by round: what is said to go is gone before the next round begins."""
    first, second, third = processes
    return {
        8: lambda: first.end(signal.SIGTERM),
        16: lambda: second.end(signal.SIGKILL),
        24: lambda: (first.start(), first.wait_until_serving(), second.start(), second.wait_until_serving()),
        32: lambda: third.end(signal.SIGKILL),
    }


def rounds(rng) -> list[np.ndarray]:
    """For every sequence the timesteps of every round, float32 [ROUNDS, steps, 3]."""
    return [rng.standard_normal((ROUNDS, int(rng.integers(1, 4)), 3)).astype(np.float32) for _ in range(SEQUENCES)]


def undisturbed(client: Client, messages) -> list[bytes]:
    """Every output of every sequence, at the timesteps that end a message, as one unary call gives them."""
    whole = client.predict("small", [each.reshape(-1, 3) for each in messages], return_sequences=True)
    return [
        answer.output[each.shape[1] - 1 :: each.shape[1]].tobytes()
        for answer, each in zip(whole, messages, strict=True)
    ]


def test_every_sequence_ends_with_all_its_answers_though_servers_drain_crash_and_come_back(three):
    """200 sequences on ten streams: SIGTERM one server, kill -9 another, start both, kill the third."""
    messages = rounds(np.random.default_rng(1))
    with Client(target(three)) as client:
        expected = undisturbed(client, messages)
        events = disturbances(three)
        fleets = [client.fleet(snapshot_every=5, timeout=30) for _ in range(10)]
        sequences = [fleets[i % 10].open("small", f"sensor-{i}") for i in range(SEQUENCES)]
        pending = [[] for _ in sequences]
        with ThreadPoolExecutor(1) as aside:
            happening = []
            for round_ in range(ROUNDS):
                for i, sequence in enumerate(sequences):
                    pending[i].append(sequence.send(messages[i][round_]))
                    if i == SEQUENCES // 2 and round_ in events:  # in the middle of a round, with answers under way
                        happening.append(aside.submit(events[round_]))
                if round_ % 4 == 3:
                    for answers in pending:
                        answers[-1].result(30)
                    for event in happening:
                        event.result()
        received = [np.stack([answer.result(30).output for answer in answers]).tobytes() for answers in pending]
        for fleet in fleets:
            fleet.close()
    assert received == expected


def test_asyncio_sees_neither_gap_nor_repeat_either(three):
    """SIGTERM one, kill -9 another, with one stream for all 200."""
    messages = rounds(np.random.default_rng(2))
    with Client(target(three)) as client:
        expected = undisturbed(client, messages)
    events = {round_: event for round_, event in disturbances(three).items() if round_ < 20}

    async def feed_all():
        async with AsyncClient(target(three)) as client, client.fleet(snapshot_every=5, timeout=30) as fleet:
            sequences = [fleet.open("small") for _ in range(SEQUENCES)]
            received = [[] for _ in sequences]
            for round_ in range(ROUNDS):
                sent = [await s.send(messages[i][round_]) for i, s in enumerate(sequences)]
                if round_ in events:
                    await asyncio.to_thread(events[round_])
                for i, answer in enumerate(await asyncio.gather(*sent)):
                    received[i].append(answer.output)
        return [np.stack(outputs).tobytes() for outputs in received]

    assert asyncio.run(feed_all()) == expected


def test_no_server_at_all_is_unreachable_after_the_timeout(server):
    """Who finds no server in time is told so by name, and that sequence has ended."""
    step = np.ones((1, 3), np.float32)
    serving = server()
    with Client(serving.target) as client, client.live("small", timeout=0.5) as sequence:
        sequence.feed(step)
        serving.stop()
        with pytest.raises(Unreachable, match=r"no server took live sequence 'small' within 0\.5 s"):
            sequence.feed(step)
        with pytest.raises(Unreachable):
            sequence.feed(step)
