"""nghttp2's load generator: what drives the server costs far less than the server itself."""

import re
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.report import FOLDER
from tests.benchmarks.served import PREDICT


def framed(name: str, message: bytes) -> Path:
    """Keep a request as h2load sends it: gRPC's five bytes of frame, then the message."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.body"
    path.write_bytes(struct.pack(">BI", 0, len(message)) + message)
    return path


def load(port: int, method: str, body: Path, calls: int, *, in_flight: int = 64, connections: int = 4) -> float:
    """Send so many calls of one request, so many in flight; return calls a second.

    h2load does not read grpc-status: ask the server how many of them went well.
    """
    command = _command(port, method, body, calls, in_flight, connections)
    done = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    succeeded = next(_numbers(r"(\d+) succeeded", done))
    if succeeded != calls:
        raise RuntimeError(f"h2load: {succeeded:.0f} of {calls} calls came back:\n{done}")
    return next(_numbers(r"([\d.]+) req/s", done))


def durations(port: int, method: str, body: Path, *, rate: int, calls: int, deadline: float) -> list[float]:
    """Send so many calls, `rate` a second, each with a deadline in seconds; return the seconds each took.

    A Python client would add milliseconds of its own.
    """
    log = FOLDER / "durations.tsv"
    log.unlink(missing_ok=True)
    milliseconds = f"grpc-timeout: {round(1e3 * deadline)}m"
    command = _command(port, method, body, calls, 64, 1)
    flags = ("--rps", str(rate), "--log-file", str(log), "-H", milliseconds)
    subprocess.run([*command[:-1], *flags, command[-1]], capture_output=True, check=True)
    return [int(line.split("\t")[2]) / 1e6 for line in log.read_text().splitlines()]


def posted(port: int, path: str, body: Path, headers: dict[str, str], calls: int) -> list[float]:
    """Send so many HTTP/1.1 requests, four at once; return the seconds each took."""
    log = FOLDER / "posted.tsv"
    log.unlink(missing_ok=True)
    command = _http(port, path, body, headers, calls)
    done = subprocess.run([*command, "--log-file", str(log)], capture_output=True, text=True, check=True).stdout
    if f"{calls} succeeded" not in done:
        raise RuntimeError(f"h2load: not all of {calls} calls came back:\n{done}")
    return [int(line.split("\t")[2]) / 1e6 for line in log.read_text().splitlines()]


@contextmanager
def flooded(port: int, path: str, body: Path, headers: dict[str, str]) -> Iterator[None]:
    """Keep four HTTP/1.1 requests in flight."""
    load = subprocess.Popen(_http(port, path, body, headers, 10_000_000), stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        load.terminate()
        load.wait()


def _http(port: int, path: str, body: Path, headers: dict[str, str], calls: int) -> list[str]:
    *command, _ = _command(port, path, body, calls, 4, 4)
    given = [flag for name, value in headers.items() for flag in ("-H", f"{name}: {value}")]
    return [*command, *given, "--h1", f"http://127.0.0.1:{port}{path}"]


def _command(port: int, method: str, body: Path, calls: int, in_flight: int, connections: int) -> list[str]:
    program = shutil.which("h2load")
    if program is None:
        raise FileNotFoundError("h2load is not here: install nghttp2-client")
    return [
        *(program, "-n", str(calls), "-c", str(connections), "-m", str(in_flight // connections), "-t", "1"),
        *("-d", str(body), "-H", "content-type: application/grpc", "-H", "te: trailers"),
        f"http://127.0.0.1:{port}{method}",
    ]


def _numbers(pattern: str, text: str) -> Iterator[float]:
    return (float(found) for found in re.findall(pattern, text))


@contextmanager
def endless(port: int, body: Path, *, in_flight: int) -> Iterator[None]:
    """Keep so many Predict calls in flight."""
    load = subprocess.Popen(_command(port, PREDICT, body, 10_000_000, in_flight, 4), stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        load.terminate()
        load.wait()
