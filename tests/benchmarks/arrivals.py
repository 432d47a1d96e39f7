"""Open-loop load: calls leave when a Poisson process says so, whether or not earlier ones came back."""

import asyncio
import gc
import time
from dataclasses import dataclass

import grpc
import numpy as np

from tests.benchmarks.served import PREDICT

_LATE = 0.0005  # seconds; asyncio sleeps no more exactly than that


@dataclass(frozen=True, slots=True)
class Outcome:
    """One call.

    Attributes:
        lateness: Seconds from the scheduled time until it was sent: the load generator's own fault.
        latency: Seconds from the scheduled time until the answer.
        code: The gRPC status' name.
    """

    lateness: float
    latency: float
    code: str


def poisson(
    target: str, body: bytes, rate: float, seconds: float, *, deadline: float | None = None, seed: int = 0
) -> list[Outcome]:
    """Offer `rate` calls a second for so long; each may take `deadline` seconds from its scheduled time."""
    gaps = np.random.default_rng(seed).exponential(1 / rate, int(2 * rate * seconds) + 10)
    due = np.cumsum(gaps)
    gc.collect()
    gc.disable()  # a collection would make calls late, and its pauses would count as the server's
    try:
        return asyncio.run(_offer(target, body, [float(at) for at in due[due < seconds]], deadline))
    finally:
        gc.enable()


async def _offer(target: str, body: bytes, due: list[float], deadline: float | None) -> list[Outcome]:
    outcomes: list[Outcome] = []
    async with grpc.aio.insecure_channel(target, (("grpc.use_local_subchannel_pool", 1),)) as channel:
        await channel.channel_ready()
        predict = channel.unary_unary(PREDICT)
        began = time.perf_counter() + 0.05

        async def one(at: float) -> None:
            sent = time.perf_counter()
            timeout = None if deadline is None else max(0.0, at + deadline - sent)
            code = "OK"
            try:
                await predict(body, timeout=timeout)
            except grpc.aio.AioRpcError as error:
                code = error.code().name
            outcomes.append(Outcome(sent - at, time.perf_counter() - at, code))

        calls = []
        for offset in due:
            at = began + offset
            while (wait := at - time.perf_counter()) > 0:  # noqa: ASYNC110 - a time, not an event, is awaited
                await asyncio.sleep(wait if wait > _LATE else 0)
            calls.append(asyncio.create_task(one(at)))
        await asyncio.gather(*calls)
    return outcomes
