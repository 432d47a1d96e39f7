"""The generator: asks one server at a time, closed loop, and compares every answer; a process of its own.

Reads one JSON object a line, {target, workload, connections, streams, seconds}, and writes one: an `Outcome`.
"""

import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import grpc

from tests.benchmarks.peers.peer import METHOD
from tests.benchmarks.peers.workloads import SHORT, Case, Workload, live_request, workload

_TIMEOUT = 60.0  # seconds: nothing waits for ever
_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1))
"""Channels of one process would share a connection, if they had a pool in common."""


@dataclass(slots=True)
class Outcome:
    """What came of asking for a while.

    Attributes:
        calls: All that were answered.
        rate: Calls a second that were answered rightly within the time.
        wrong: Answers with the status OK and other numbers than the known ones.
        failed: Calls by their status, where that was not OK.
        latencies: Seconds, of each right answer within the time.
        short: Those of short sequences among them; of workload C alone.
        cpu: Seconds of processor time that the generator itself took.
    """

    calls: int = 0
    rate: float = 0.0
    wrong: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    short: list[float] = field(default_factory=list)
    cpu: float = 0.0


class Generator:
    """The generator's process, seen from the one that measures."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, target: str, workload: str, connections: int, streams: int, seconds: float) -> Outcome:
        """Keep `streams` calls in flight on each of `connections` for so many seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        json.dump([target, workload, connections, streams, seconds], self._process.stdin)
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


class _Run:
    """One stretch of asking."""

    def __init__(self, work: Workload, seconds: float) -> None:
        self._work = work
        self._seconds = seconds
        self._until = time.perf_counter() + seconds
        self._cpu = time.process_time()
        self._short = work.name == "C"
        self._next = itertools.cycle(work.cases)
        self._chain = itertools.cycle(work.chains or ())
        self.outcome = Outcome()

    @property
    def over(self) -> bool:
        return time.perf_counter() >= self._until

    def case(self) -> Case:
        return next(self._next)

    def answered(self, case: Case, answer: bytes, began: float) -> None:
        now, outcome = time.perf_counter(), self.outcome
        outcome.calls += 1
        if not self._work.right(case, answer):
            outcome.wrong += 1
        elif now < self._until:
            outcome.latencies.append(now - began)
            if self._short and case.timesteps <= SHORT:
                outcome.short.append(now - began)

    def refused(self, error: grpc.RpcError) -> None:
        code = error.code().name
        self.outcome.calls += 1
        self.outcome.failed[code] = self.outcome.failed.get(code, 0) + 1

    def alone(self, infer: Callable[..., bytes]) -> None:
        """Ask one by one, on the thread that waits: no event loop stands between."""
        while not self.over:
            case, began = self.case(), time.perf_counter()
            try:
                self.answered(case, infer(case.request, timeout=_TIMEOUT), began)
            except grpc.RpcError as error:
                self.refused(error)

    async def stream(self, infer: Callable[..., Awaitable[bytes]]) -> None:
        """Ask, and again as soon as there is an answer."""
        while not self.over:
            case, began = self.case(), time.perf_counter()
            try:
                self.answered(case, await infer(case.request, timeout=_TIMEOUT), began)
            except grpc.RpcError as error:
                self.refused(error)

    async def live(self, infer: Callable[..., Awaitable[bytes]]) -> None:
        """Feed a live sequence step by step to its end, then the next."""
        while not self.over:
            chain, sequence = next(self._chain), next(_SEQUENCES)
            for i, case in enumerate(chain):
                request = live_request(case, sequence, start=i == 0, end=i + 1 == len(chain))
                began = time.perf_counter()
                try:
                    self.answered(case, await infer(request, timeout=_TIMEOUT), began)
                except grpc.RpcError as error:
                    self.refused(error)
                    break

    def end(self) -> Outcome:
        self.outcome.rate = len(self.outcome.latencies) / self._seconds
        self.outcome.cpu = time.process_time() - self._cpu
        return self.outcome


_SEQUENCES = itertools.count(1)
"""Ids of live sequences: each server meets each at most once."""


def _alone(target: str, work: Workload, seconds: float) -> Outcome:
    with grpc.insecure_channel(target, options=_OPTIONS) as channel:
        grpc.channel_ready_future(channel).result(_TIMEOUT)
        run = _Run(work, seconds)
        run.alone(channel.unary_unary(METHOD))
        return run.end()


async def _together(target: str, work: Workload, connections: int, streams: int, seconds: float) -> Outcome:
    channels = [grpc.aio.insecure_channel(target, options=_OPTIONS) for _ in range(connections)]
    try:
        await asyncio.wait_for(asyncio.gather(*(channel.channel_ready() for channel in channels)), _TIMEOUT)
        run = _Run(work, seconds)
        way = run.live if work.chains else run.stream
        infers = [channel.unary_unary(METHOD) for channel in channels]
        await asyncio.gather(*(way(infer) for infer in infers for _ in range(streams)))
        return run.end()
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))


def _ask(target: str, name: str, connections: int, streams: int, seconds: float) -> Outcome:
    work = workload(name)
    try:
        if connections * streams == 1 and not work.chains:
            return _alone(target, work, seconds)
        return asyncio.run(_together(target, work, connections, streams, seconds))
    except (TimeoutError, grpc.FutureTimeoutError):
        return Outcome(calls=1, failed={"no connection": 1})


def main() -> None:
    for line in sys.stdin:
        outcome: dict[str, Any] = asdict(_ask(*json.loads(line)))
        sys.stdout.write(json.dumps(outcome) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
