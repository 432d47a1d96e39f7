"""A `carousel serve` of its own process, on free ports of loopback."""

import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Self

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from prometheus_client.parser import text_string_to_metric_families

from tests.benchmarks.machine import cpu_seconds, resident

PREDICT = "/carousel.v1.InferenceService/Predict"

_READY = 30.0  # seconds


class Process:
    """A server process that prints its port, and ends on SIGTERM."""

    def __init__(self, *command: str) -> None:
        self.began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        self.said = self._process.stdout.readline()
        assert self.said, f"{' '.join(command)} ended at once"
        self.pid = self._process.pid
        self.port = int(re.findall(r":?(\d+)(?=[,\s]|$)", self.said)[0])

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far."""
        return cpu_seconds(self.pid)

    @property
    def resident(self) -> float:
        """Megabytes."""
        return resident(self.pid)

    def end(self) -> str:
        """Ask it to end, and return what else it printed."""
        self._process.send_signal(signal.SIGTERM)
        rest, _ = self._process.communicate(timeout=60)
        return rest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class Watched(Process):
    """A server of ours that prints both its ports, ready when this returns.

    Attributes:
        ready: Seconds from the start of the process to SERVING.
    """

    def __init__(self, *command: str) -> None:
        super().__init__(*command)
        found = re.search(r"gRPC on [\d.]+:(\d+), metrics on http://[\d.]+:(\d+)/metrics", self.said)
        assert found, self.said
        self.port, self.http_port = int(found[1]), int(found[2])
        with grpc.insecure_channel(self.target) as channel:
            check = HealthStub(channel).Check
            while True:
                answer = check(HealthCheckRequest(), wait_for_ready=True, timeout=_READY)
                if answer.status == HealthCheckResponse.SERVING:
                    break
                time.sleep(0.002)
        self.ready = time.perf_counter() - self.began

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def scrape(self, **headers: str) -> bytes:
        """Read /metrics."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}/metrics", headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read())

    def metrics(self) -> Counter[str]:
        """Read /metrics: a sample's name and labels, by label, as carousel_sequences_total/stack64/done/1."""
        text = self.scrape().decode()
        return Counter(
            {
                "/".join((sample.name, *(value for _, value in sorted(sample.labels.items())))): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            }
        )


class Served(Watched):
    """`carousel serve` on a repository."""

    def __init__(self, repository: Path, *flags: str) -> None:
        super().__init__(
            *("carousel", "serve", "--repository", str(repository), "--engine", "onnx"),
            *("--host", "127.0.0.1", "--port", "0", "--http-host", "127.0.0.1", "--http-port", "0"),
            *("--drain-notice-seconds", "0", "--drain-seconds", "2", "--log-level", "error", *flags),
        )


def predicts(metrics: Counter[str], code: str = "OK") -> int:
    """Count the Predict calls that ended with a code."""
    name = f"grpc_server_handled_total/{code}/Predict/carousel.v1.InferenceService/unary"
    return int(metrics[name])
