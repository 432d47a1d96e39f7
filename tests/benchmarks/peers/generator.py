"""The generator: a process of its own that asks one server at a time.

Reads one JSON list a line, [target, workload, connections, streams, seconds, rate], and writes an `Outcome`.
"""

import asyncio
import json
import subprocess
import sys
from dataclasses import asdict
from typing import Self

import grpc

from tests.benchmarks.peers.asking import TIMEOUT, Asking, Outcome
from tests.benchmarks.peers.peer import METHOD
from tests.benchmarks.peers.workloads import Workload, workload

_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1))
"""Channels of one process would share a connection, if they had a pool in common."""


class Generator:
    """The generator's process, seen from the one that measures."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(
        self, target: str, workload: str, connections: int, streams: int, seconds: float, rate: float = 0.0
    ) -> Outcome:
        """Keep `streams` calls in flight on each of `connections`, or send `rate` a second at random."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        json.dump([target, workload, connections, streams, seconds, rate], self._process.stdin)
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the generator ended with status {self._process.wait()}")
        return Outcome(**json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


def ask(target: str, work: Workload, connections: int, streams: int, seconds: float, rate: float = 0.0) -> Outcome:
    """Ask, in this process; see `Generator.ask`."""
    try:
        if connections * streams == 1 and not work.chains:
            return _alone(target, work, seconds)
        return asyncio.run(_together(target, work, connections, streams, seconds, rate))
    except (TimeoutError, grpc.FutureTimeoutError):
        return Outcome(calls=1, failed={"no connection": 1})


def _alone(target: str, work: Workload, seconds: float) -> Outcome:
    with grpc.insecure_channel(target, options=_OPTIONS) as channel:
        grpc.channel_ready_future(channel).result(TIMEOUT)
        asking = Asking(work, seconds)
        asking.alone(channel.unary_unary(METHOD))
        return asking.end()


async def _together(
    target: str, work: Workload, connections: int, streams: int, seconds: float, rate: float
) -> Outcome:
    channels = [grpc.aio.insecure_channel(target, options=_OPTIONS) for _ in range(connections)]
    try:
        await asyncio.wait_for(asyncio.gather(*(channel.channel_ready() for channel in channels)), TIMEOUT)
        infers = [channel.unary_unary(METHOD) for channel in channels]
        asking = Asking(work, seconds)
        if rate:
            await asking.poisson(infers, rate)
        else:
            way = asking.live if work.chains else asking.stream
            await asyncio.gather(*(way(infer) for infer in infers for _ in range(streams)))
        return asking.end()
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))


def main() -> None:
    for line in sys.stdin:
        target, name, *how = json.loads(line)
        sys.stdout.write(json.dumps(asdict(ask(target, workload(name), *how))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
