"""Ten million timesteps through `carousel score`, killed in the middle: its pace, its memory, and every line once.

The command runs in a process of its own and is looked at twice a second. When half of its parts are there it is killed
(SIGKILL) and begun again. sgemm's peak and Keras' `predict` are measured before, between and after; a pace is timesteps
a second of processor time, since a second of the wall belongs to whoever else runs here too.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from matplotlib.figure import Figure

import carousel
from carousel.tensors import Floats
from tests.benchmarks import peak, report
from tests.benchmarks.machine import cpu_seconds, resident
from tests.benchmarks.masked import KERAS, tensorflow
from tests.benchmarks.measure import Timing, timed
from tests.benchmarks.workloads import INPUT_DIM, flops, lognormal, sequences_of, version

MILLIONS = 10
_PART = 250_000  # timesteps
_AT_ONCE = 10_000  # sequences that are drawn at once
_COMPARED = 200  # sequences of each draw whose outputs are computed again, each alone
_PRODUCTS = 100  # of sgemm at a time
_PAUSE = 0.5  # seconds between two looks
_LIMIT = 3600.0  # seconds a run may take


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a run: seconds since it began, seconds of processor time, megabytes, parts written by then."""

    wall: float
    cpu: float
    megabytes: float
    parts: int


def main() -> None:
    folder = version("stack64", INPUT_DIM)
    with tempfile.TemporaryDirectory() as temporary, tensorflow("lognormal") as peers:
        file, output = Path(temporary, "steps.parquet"), Path(temporary, "scored")
        lengths, expected = _written(file, carousel.load(folder))
        parts = int(lengths.sum()) // _PART
        report.say("score", f"{lengths.sum():,} timesteps of {len(lengths):,} sequences, {file.stat().st_size:,} bytes")
        keras, gemm = [_keras(peers)], [_sgemm()]
        killed = _run(folder, file, output, until=parts // 2)
        keras, gemm = [*keras, _keras(peers)], [*gemm, _sgemm()]
        kept = {path: path.stat().st_mtime_ns for path in output.glob("part-*")}
        report.say("score", f"killed with {len(kept)} parts there")
        resumed = _run(folder, file, output)
        keras, gemm = [*keras, _keras(peers)], [*gemm, _sgemm()]
        again = sum(path.stat().st_mtime_ns != changed for path, changed in kept.items())
        missing, double, different = _compared(output, len(lengths), expected)
    paces = [_pace(killed), _pace([look for look in resumed if look.parts >= len(kept)])]
    pace, limit, theirs = np.mean(paces), max(gemm) / flops(INPUT_DIM), np.median(keras)
    first = max(look.megabytes for look in killed if look.parts * _PART <= 1e6)
    held = [max(look.megabytes for look in looks) for looks in (killed, resumed)]
    rows = [
        report.Row("timesteps a second of CPU", f"{pace:,.0f} ({', '.join(f'{each:,.0f}' for each in paces)})"),
        report.Row("share of sgemm's peak, reading and writing included", f"{pace / limit:.2f}"),
        report.Row(f"faster than {KERAS}", f"by CPU {pace / theirs:.3g}x of {theirs:,.0f} timesteps a second"),
        report.Row(
            f"resident, at most, of {lengths.sum() / 1e6:.1f} million timesteps",
            f"{held[0]:.0f} MB until it was killed, {held[1]:.0f} MB resumed; {first:.0f} MB in the first million",
            "within 10% of the first million",
            max(held) <= 1.1 * first,
        ),
        report.Row(
            f"lines of {len(lengths):,}, killed after {len(kept)} parts of {parts + 1}",
            f"{missing} missing, {double} double, {different} of {len(expected)} with other bits than alone; "
            f"{again} parts written again",
            "0",
            missing == double == different == again == 0,
        ),
    ]
    figures = {
        "paces": paces,
        "keras": keras,
        "sgemm_gflops": [each / 1e9 for each in gemm],
        "wall_cpu_megabytes_parts": [
            [(look.wall, look.cpu, look.megabytes, look.parts) for look in looks] for looks in (killed, resumed)
        ],
    }
    report.write("score", rows, figures, lambda figure: _draw(figure, killed, resumed))


def _written(file: Path, model: carousel.LocalModel) -> tuple[np.ndarray, dict[int, bytes]]:
    """Write the sequences; give the length of each, and what some are answered alone, by their number."""
    lengths: list[int] = []
    expected: dict[int, bytes] = {}
    schema = pa.schema([("sequence", pa.int64()), *((f"x{i}", pa.float32()) for i in range(INPUT_DIM))])
    with pa.parquet.ParquetWriter(file, schema, compression="none", use_dictionary=["sequence"]) as writer:
        while sum(lengths) < MILLIONS * 1e6:
            drawn = lognormal(_AT_ONCE, seed=len(lengths))
            names = np.repeat(np.arange(len(lengths), len(lengths) + len(drawn)), [len(steps) for steps in drawn])
            steps = np.concatenate(drawn)
            writer.write_table(pa.table([names, *steps.T], schema=schema))
            for place in range(0, len(drawn), len(drawn) // _COMPARED):
                expected[len(lengths) + place] = model.predict([drawn[place]])[0].tobytes()
            lengths += map(len, drawn)
    return np.array(lengths), expected


def _keras(peers: dict[str, Callable[[], Timing]]) -> float:
    """Timesteps a second of processor time, of the same layers and the same mix of lengths."""
    return sum(map(len, sequences_of("lognormal"))) / peers[KERAS]().cpu


def _sgemm() -> float:
    """FLOP a second of processor time, of whichever library is faster."""
    return max(
        _PRODUCTS * peak.FLOPS / timed(lambda product=product: [product() for _ in range(_PRODUCTS)]).cpu
        for product in peak.products().values()
    )


def _run(folder: Path, file: Path, output: Path, until: int | None = None) -> list[Look]:
    """Score, to the end or until so many parts are there; then it is killed."""
    looks: list[Look] = []
    command = ["score", folder, file, "--by", "sequence", "--part", _PART, "--output", output]
    with _process(command) as process:
        began = time.perf_counter()
        while process.poll() is None:
            parts = len(list(output.glob("part-*.parquet"))) if output.exists() else 0
            wall = time.perf_counter() - began
            assert wall < _LIMIT
            try:
                looks.append(Look(wall, cpu_seconds(process.pid), resident(process.pid), parts))
            except (FileNotFoundError, ProcessLookupError, StopIteration):
                break  # it ended while it was looked at
            if until is not None and parts >= until:
                process.kill()
            time.sleep(_PAUSE)
        status = process.wait(_LIMIT)
    assert until is not None or status == 0
    return looks


@contextmanager
def _process(command: list[Any]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "carousel", *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _pace(looks: list[Look]) -> float:
    """Timesteps a second of processor time, between the first look after a part and the last look after one."""
    changes = [after for before, after in pairwise(looks) if after.parts > before.parts]
    first, last = changes[0], changes[-1]
    return (last.parts - first.parts) * _PART / (last.cpu - first.cpu)


def _compared(output: Path, count: int, expected: dict[int, bytes]) -> tuple[int, int, int]:
    """How many sequences have no line, how many more than one, how many other bits than alone."""
    lines = np.zeros(count, np.int64)
    different = 0
    for part in sorted(output.glob("part-*.parquet")):
        table = pa.parquet.read_table(part)
        names = np.asarray(table.column("sequence")).astype(np.int64)
        np.add.at(lines, names, 1)
        outputs: Floats = np.stack([table.column(name) for name in table.column_names if name[:7] == "output_"], axis=1)
        different += sum(
            outputs[place].tobytes() != expected[name] for place, name in enumerate(names.tolist()) if name in expected
        )
    return int((lines == 0).sum()), int((lines > 1).sum()), different


def _draw(figure: Figure, killed: list[Look], resumed: list[Look]) -> None:
    axes: Any = figure.subplots()
    for looks, colour, label in ((killed, "#9aa5b1", "until it was killed"), (resumed, "#d1495b", "resumed")):
        axes.plot(
            [look.parts * _PART / 1e6 for look in looks],
            [look.megabytes for look in looks],
            marker=".",
            color=colour,
            label=label,
        )
    axes.set(title="Memory of `carousel score`", xlabel="million timesteps written", ylabel="megabytes", ylim=(0, None))
    axes.legend(frameon=False)
