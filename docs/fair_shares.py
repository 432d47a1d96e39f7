"""Draws docs/fair-shares.png: what a polite client feels of a flood, told apart from it and not, on a real server.

`python -m docs.fair_shares` in the repository's root. On a busy machine every latency is longer; who is refused is not
a matter of the machine.
"""

import heapq
import queue
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import keras
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from carousel.errors import Overloaded
from carousel.stubs.v1 import inference_pb2 as pb
from carousel.stubs.v1.inference_pb2_grpc import InferenceServiceStub
from carousel.wire import DATA_TYPES, error_of
from carousel_models.export import export
from tests.deploy.tools import Served

PICTURE = Path(__file__).with_name("fair-shares.png")

_LASTS, _FLOOD = 24.0, (8.0, 16.0)  # seconds; between which the flood comes
_EVERY = 0.05  # seconds between two polite calls
_FLOODING = 400  # calls of the flood at a time
_POLITE, _FLOODED = 50, 2000  # timesteps of a call
_DEADLINE = 0.5  # seconds, of the polite calls
_BOUND = 0.5  # seconds of work that are promised
_KEY = "x-client"


class Call(NamedTuple):
    """A polite call: when it began and how long it took, in seconds; whether it was refused, or late."""

    began: float
    seconds: float
    refused: bool
    late: bool


def _message(timesteps: int) -> pb.PredictRequest:
    content = np.zeros((timesteps, 1), np.float32).tobytes()
    tensor = pb.Tensor(dtype=DATA_TYPES[np.dtype(np.float32)], shape=[timesteps, 1], content=content)
    return pb.PredictRequest(model="speech", inputs=[tensor])


def _flood(address: str, until: float, counts: dict[str, int]) -> None:
    """Keep calls without a deadline under way; one that is refused is made again as soon as RetryInfo says."""
    over: queue.SimpleQueue[float] = queue.SimpleQueue()

    def ended(call: Any) -> None:
        code, pause = call.code(), 0.0
        counts[code.name] = counts.get(code.name, 0) + 1
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            details = dict(call.trailing_metadata())["grpc-status-details-bin"]
            error = error_of(code.value[0], call.details(), details)
            pause = error.retry_after if isinstance(error, Overloaded) else 1.0
        over.put(time.monotonic() + pause)

    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub, message = InferenceServiceStub(channel), _message(_FLOODED)
        due, under_way = [0.0] * _FLOODING, 0
        while time.monotonic() < until or under_way:
            while due and due[0] <= time.monotonic() < until:
                heapq.heappop(due)
                stub.Predict.future(message, metadata=((_KEY, "flood"),)).add_done_callback(ended)
                under_way += 1
            try:
                heapq.heappush(due, over.get(timeout=0.005))
                under_way -= 1
            except queue.Empty:
                continue


def _run(repository: Path, *, told_apart: bool) -> tuple[list[Call], dict[str, int]]:
    """Ask politely for the whole run, and flood in its middle."""
    flags = ["--max-backlog-seconds", str(_BOUND), "--client-metadata", _KEY if told_apart else "x-nothing"]
    server = Served(repository, *flags)
    calls: list[Call] = []
    counts: dict[str, int] = {}
    try:
        with grpc.insecure_channel(server.address) as channel:
            stub, message = InferenceServiceStub(channel), _message(_POLITE)
            grpc.channel_ready_future(channel).result(60)
            begun = time.monotonic()
            flood = threading.Timer(_FLOOD[0], _flood, (server.address, begun + _FLOOD[1], counts))
            flood.start()
            while (now := time.monotonic() - begun) < _LASTS:
                refused = late = False
                try:
                    stub.Predict(message, metadata=((_KEY, "polite"),), timeout=_DEADLINE)
                except grpc.RpcError as error:
                    refused = error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                    late = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
                    if not (refused or late):
                        raise
                calls.append(Call(now, time.monotonic() - begun - now, refused, late))
                time.sleep(max(0.0, now + _EVERY - (time.monotonic() - begun)))
            flood.join(60)
    finally:
        server.end()
    return calls, counts


def _draw(runs: dict[str, tuple[list[Call], dict[str, int]]]) -> None:
    mpl.rcParams.update({"font.family": "DejaVu Sans", "font.size": 9})
    figure = Figure((10, 4.2), layout="constrained")
    plots = figure.subplots(1, len(runs), sharey=True)
    for plot, (title, (calls, counts)) in zip(plots, runs.items(), strict=True):
        plot.axvspan(*_FLOOD, color="#f3e3d3", lw=0)
        served = [call for call in calls if not call.refused and not call.late]
        refused = [call for call in calls if call.refused]
        plot.plot([c.began for c in served], [1000 * c.seconds for c in served], ".", color="#1f6fb5", ms=4)
        plot.plot([c.began for c in refused], [1.5] * len(refused), "x", color="#cf3e33", ms=4)
        late = sum(call.late for call in calls)
        said = f"flood: {counts.get('OK', 0)} answered, {counts.get('RESOURCE_EXHAUSTED', 0)} told to slow down"
        plot.set_title(
            f"{title}\n{len(served)} polite calls answered, {len(refused)} refused, {late} late\n{said}",
            fontsize=9,
        )
        plot.set_yscale("log")
        plot.set_xlabel("seconds; the flood in the shaded ones")
        plot.grid(visible=True, alpha=0.3)
    plots[0].set_ylabel("milliseconds of a polite call (x: refused)")
    figure.savefig(PICTURE, dpi=110)


def main() -> None:
    """Run both, draw them, and print the figures."""
    keras.utils.set_random_seed(1)
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder)
        export(keras.Sequential([keras.Input((None, 1)), keras.layers.LSTM(64)]), repository, "speech")
        runs = {
            "one pot: both are one client": _run(repository, told_apart=False),
            "fair shares: two clients": _run(repository, told_apart=True),
        }
    for title, (calls, counts) in runs.items():
        for when, within in (("in the flood", True), ("else", False)):
            found = [call for call in calls if (_FLOOD[0] <= call.began < _FLOOD[1]) is within]
            took = [1000 * call.seconds for call in found if not call.refused and not call.late] or [float("nan")]
            print(  # noqa: T201 - a script
                f"{title}, {when}: {len(found)} polite calls, {sum(call.refused for call in found)} refused, "
                f"{sum(call.late for call in found)} late, "
                f"median {statistics.median(took):.1f} ms, longest {max(took):.1f} ms; flood {counts}"
            )
    _draw(runs)


if __name__ == "__main__":
    main()
