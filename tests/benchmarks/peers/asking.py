"""One stretch of asking a server: calls sent, their status read, every answer compared with the known one."""

import asyncio
import itertools
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import grpc
import numpy as np

from tests.benchmarks.peers.workloads import SHORT, Case, Workload, live_request

TIMEOUT = 60.0  # seconds: nothing waits for ever

_SEQUENCES = itertools.count(1)
"""Ids of live sequences: each server meets each at most once."""


@dataclass(slots=True)
class Outcome:
    """What came of asking for a while.

    Attributes:
        calls: All that were answered.
        rate: Calls a second that were answered rightly; where calls wait, those answered within the time.
        wrong: Answers with the status OK and other numbers than the known ones.
        failed: Calls by their status, where that was not OK.
        latencies: Seconds, of each right answer; the last ones, after the time, are often the slowest.
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


class Asking:
    """Asks for so many seconds, in one of four ways; `end` says what came of it."""

    def __init__(self, work: Workload, seconds: float) -> None:
        self._work = work
        self._seconds = seconds
        self._began = time.perf_counter()
        self._until = self._began + seconds
        self._within = 0
        self._cpu = time.process_time()
        self._cases = itertools.cycle(work.cases)
        self._chains = itertools.cycle(work.chains or ())
        self._outcome = Outcome()

    def alone(self, infer: Callable[..., bytes]) -> None:
        """Ask one by one, on the thread that waits: no event loop stands between."""
        while (began := time.perf_counter()) < self._until:
            case = next(self._cases)
            try:
                self._answered(case, infer(case.request, timeout=TIMEOUT), began)
            except grpc.RpcError as error:
                self._refused(error)

    async def stream(self, infer: Callable[..., Awaitable[bytes]]) -> None:
        """Ask, and again as soon as there is an answer."""
        while (began := time.perf_counter()) < self._until:
            case = next(self._cases)
            await self._once(infer, case, case.request, began)

    async def live(self, infer: Callable[..., Awaitable[bytes]]) -> None:
        """Feed a live sequence step by step to its end, then the next."""
        while time.perf_counter() < self._until:
            chain, sequence = next(self._chains), next(_SEQUENCES)
            for i, case in enumerate(chain):
                request = live_request(case, sequence, start=i == 0, end=i + 1 == len(chain))
                if not await self._once(infer, case, request, time.perf_counter()):
                    break

    async def poisson(self, infers: list[Callable[..., Awaitable[bytes]]], rate: float) -> None:
        """Ask at random, `rate` a second, whether or not there are answers; all of them count.

        A call's time runs from when it was to be sent: one that was late for want of the processor was late.
        """
        rng = np.random.default_rng()
        at, tasks, ways = self._began, set[asyncio.Task[bool]](), itertools.cycle(infers)
        until, self._until = self._until, math.inf
        while (at := at + rng.exponential(1 / rate)) < until:
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            case = next(self._cases)
            task = asyncio.create_task(self._once(next(ways), case, case.request, at))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    def end(self) -> Outcome:
        """Say what came of it."""
        self._outcome.rate = self._within / self._seconds
        self._outcome.cpu = time.process_time() - self._cpu
        return self._outcome

    async def _once(self, infer: Callable[..., Awaitable[bytes]], case: Case, request: bytes, began: float) -> bool:
        """Make one call; say whether it had the status OK."""
        try:
            self._answered(case, await infer(request, timeout=TIMEOUT), began)
        except grpc.RpcError as error:
            self._refused(error)
            return False
        return True

    def _answered(self, case: Case, answer: bytes, began: float) -> None:
        now, outcome = time.perf_counter(), self._outcome
        outcome.calls += 1
        if not self._work.right(case, answer):
            outcome.wrong += 1
        else:
            self._within += now < self._until
            outcome.latencies.append(now - began)
            if self._work.name == "C" and case.timesteps <= SHORT:
                outcome.short.append(now - began)

    def _refused(self, error: grpc.RpcError) -> None:
        code = error.code().name
        self._outcome.calls += 1
        self._outcome.failed[code] = self._outcome.failed.get(code, 0) + 1
