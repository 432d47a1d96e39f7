"""Beside each attack a polite client asks twenty times a second: how long it waits, and what the server's memory is."""

import asyncio
import json
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from matplotlib.figure import Figure

import carousel
from carousel.stubs.v1.inference_pb2 import PredictResponse
from carousel.wire import read_tensor
from tests.benchmarks import report
from tests.benchmarks.attacks import ATTACKS, MODEL, SLOW
from tests.benchmarks.served import PREDICT, Served
from tests.benchmarks.workloads import INPUT_DIM, predict_request, repository, version

_RATE = 20.0  # polite calls a second
_SECONDS = 8.0  # of each attack, and of each time without one
_DEADLINE = 20.0  # seconds until a polite call counts as lost
_POLITE = (("x-client", "polite"),)
_MIB = 1 << 20
_HELD, _UNREAD, _MESSAGE = 512 * _MIB, 256 * _MIB, 64 * _MIB  # bytes: the settings' own defaults
_BOUND = (_HELD + _UNREAD) / 1e6


@dataclass(frozen=True, slots=True)
class Beside:
    """What a polite client saw of one stretch of time.

    Attributes:
        p50: Seconds from the time that a call was due to its answer.
        p99: Likewise.
        lateness: Seconds by which calls left later than they were due, p99: the client's own fault, and the machine's.
        asked: Calls.
        lost: Those that were not answered, or refused.
        wrong: Those whose answer was not the known one.
        highest: The server's highest resident memory, megabytes.
        cpu: Its processor seconds.
        done: What the attacker did.
    """

    p50: float
    p99: float
    lateness: float
    asked: int
    lost: int
    wrong: int
    highest: float
    cpu: float
    done: dict[str, int]


def main(*names: str) -> None:
    steps = np.random.default_rng(3).standard_normal((5, INPUT_DIM)).astype(np.float32)
    [known] = carousel.load(version(MODEL, INPUT_DIM), engine="onnx").predict([steps])
    polite = Polite(predict_request(MODEL, [steps]), known.tobytes())
    idle: list[Beside] = []
    beside: dict[str, Beside] = {}
    with Served(_models(), "--engine", "auto", "--client-metadata", "x-client") as served:
        polite.ask(served, 2.0)  # nobody counts the first ones
        begun = served.resident
        for name in names or ATTACKS:
            idle.append(_measured(polite, served))
            attacking = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.benchmarks.attacks", name),
                    *(str(served.port), str(served.http_port), str(_SECONDS + 2.0)),
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            try:
                time.sleep(2.0)  # it starts, and begins
                seen = _measured(polite, served)
                said = _end(attacking)
            finally:
                attacking.kill()
                attacking.communicate()
            beside[name] = Beside(**(asdict(seen) | {"done": json.loads(said or "{}")}))
            report.say("hostile", f"{name}: {beside[name]}, none: {idle[-1].p50:.4f} {idle[-1].p99:.4f}")
            time.sleep(1.0)
    write(begun, idle, beside)


def write(begun: float, idle: list[Beside], beside: dict[str, Beside]) -> None:
    """Say what came of it."""
    none = float(np.median([each.p99 for each in idle]))
    rows = [
        report.Row(
            "no attack, p50 and p99",
            f"{1e3 * np.median([each.p50 for each in idle]):.1f} and {1e3 * none:.1f} ms, {begun:.0f} MB; "
            f"up to {1e3 * np.median([each.lateness for each in idle]):.1f} ms late itself",
        )
    ]
    for name, seen in beside.items():
        bound = begun + _BOUND
        came = (
            f"{1e3 * seen.p50:.1f} and {1e3 * seen.p99:.1f} ms, {seen.p99 / none:.1f}x of none; {seen.highest:.0f} MB; "
            f"{seen.lost} lost, {seen.wrong} wrong of {seen.asked}; up to {1e3 * seen.lateness:.1f} ms late itself"
        )
        met = seen.p99 <= min(3 * none, 0.05) and seen.highest <= bound and not seen.lost and not seen.wrong
        goal = f"<= 3x and <= 50 ms, <= {bound:.0f} MB, 0 lost, 0 wrong"
        rows.append(report.Row(f"{name}, p50 and p99", came, goal, met))
    figures: dict[str, Any] = {
        "resident_at_the_beginning": begun,
        "idle": [asdict(each) for each in idle],
        "attacks": {name: asdict(seen) for name, seen in beside.items()},
    }
    report.write("hostile", rows, figures, lambda figure: _draw(figure, none, beside))


class Polite:
    """Asks for the same sequence at fixed times, whether or not earlier answers came, and compares each answer."""

    def __init__(self, body: bytes, known: bytes) -> None:
        self._body, self._known = body, known

    def ask(self, served: Served, seconds: float) -> tuple[list[float], list[float], int, int]:
        """Ask for so long; return the seconds each answer took, how late each call left, how many were lost, wrong."""
        return asyncio.run(self._ask(served.target, seconds))

    async def _ask(self, target: str, seconds: float) -> tuple[list[float], list[float], int, int]:
        took: list[float] = []
        late: list[float] = []
        lost = wrong = 0
        async with grpc.aio.insecure_channel(target, (("grpc.use_local_subchannel_pool", 1),)) as channel:
            await channel.channel_ready()
            predict = channel.unary_unary(PREDICT)

            async def one(at: float) -> None:
                nonlocal lost, wrong
                late.append(time.perf_counter() - at)
                try:
                    answer = PredictResponse.FromString(await predict(self._body, metadata=_POLITE, timeout=_DEADLINE))
                except grpc.aio.AioRpcError as error:
                    lost += 1
                    report.say("hostile", f"lost: {error.code().name}: {error.details()}")
                    return
                took.append(time.perf_counter() - at)
                wrong += read_tensor(answer.predictions[0].output).tobytes() != self._known

            calls = []
            for at in time.perf_counter() + 0.05 + np.arange(round(_RATE * seconds)) / _RATE:
                await asyncio.sleep(max(0.0, at - time.perf_counter()))
                calls.append(asyncio.create_task(one(float(at))))
            await asyncio.gather(*calls)
        return took, late, lost, wrong


def _end(attacking: "subprocess.Popen[str]") -> str:
    """Let an attacker say what it did; nothing where it does not end."""
    try:
        said, _ = attacking.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        return ""
    return said


def _measured(polite: Polite, served: Served) -> Beside:
    Path(f"/proc/{served.pid}/clear_refs").write_text("5")  # the highest resident memory is counted anew
    began = served.cpu
    took, late, lost, wrong = polite.ask(served, _SECONDS)
    p50, p99 = (float(np.percentile(took, share)) if took else _DEADLINE for share in (50, 99))
    line = next(line for line in Path(f"/proc/{served.pid}/status").read_text().splitlines() if "VmHWM" in line)
    highest = int(line.split()[1]) * 1024 / 1e6
    lateness = float(np.percentile(late, 99))
    return Beside(p50, p99, lateness, len(took) + lost, lost, wrong, highest, served.cpu - began, {})


def _models() -> Path:
    """Gather the model that is asked politely, and a copy that lost its cell graph: it is served on TensorFlow."""
    folder = report.FOLDER / "models" / "hostile"
    if not folder.exists():
        source = repository(MODEL, INPUT_DIM) / MODEL / "1"
        shutil.copytree(source, folder / MODEL / "1")
        shutil.copytree(source, folder / SLOW / "1")
        (folder / SLOW / "1" / "assets.extra" / "cell_graph.onnx").unlink()
    return folder


def _draw(figure: Figure, none: float, beside: dict[str, Beside]) -> None:
    left, right = figure.subplots(1, 2, sharey=True)
    left.barh(list(beside), [1e3 * seen.p99 for seen in beside.values()], color="#d1495b")
    left.axvline(1e3 * none, color="#20262e", linewidth=1, label="no attack")
    left.axvline(50, color="#20262e", linestyle="--", linewidth=1, label="goal")
    left.set(title="p99 of a polite call", xlabel="milliseconds", xscale="log")
    left.legend(frameon=False)
    right.barh(list(beside), [seen.highest for seen in beside.values()], color="#9aa5b1")
    right.set(title="Highest resident memory", xlabel="megabytes")
    left.invert_yaxis()


if __name__ == "__main__":
    main(*sys.argv[1:])
