"""What a server process owes to whoever runs it: what it cannot have is said, and nobody silent holds it up."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.request import urlopen

import grpc
import numpy as np
import pytest

from carousel.client import Client
from carousel.stubs.v1 import inference_pb2

FEW = 256  # open files
HEALTH = "/grpc.health.v1.Health/"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
METHODS = (
    REFLECTION,
    HEALTH + "Watch",
    HEALTH + "Check",
    "/carousel.v1.InferenceService/Predict",
    "/carousel.v1.InferenceService/Stream",
    "/inference.GRPCInferenceService/ModelStreamInfer",
)


@pytest.fixture
def serve(only):
    """Start `carousel serve`; return the process, and the addresses of gRPC and of /metrics."""
    running = []

    def start(*flags, hard_limit=None):
        def limit():
            if hard_limit:
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))

        loopback = ["--host=127.0.0.1", "--port=0", "--http-host=127.0.0.1", "--http-port=0"]
        command = [sys.executable, "-m", "carousel", "serve", f"--repository={only('small')}", "--engine=onnx"]
        process = subprocess.Popen(
            [*command, *loopback, "--drain-notice-seconds=0", *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=limit,  # noqa: PLW1509 - it only sets a limit
        )
        running.append(process)
        return process, *process.stdout.readline().removeprefix("gRPC on ").strip().split(", metrics on ")

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_a_limit_on_open_files_is_said_at_start_and_never_reached_by_connections(serve):
    """300 idle connections where 256 files may be open: metrics answer, and so does gRPC once there is room."""
    process, target, page = serve(hard_limit=FEW)
    host, _, port = target.rpartition(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(300)]
    assert "carousel_build_info" in urlopen(page, timeout=10).read().decode()
    for each in idle:
        each.close()
    with Client(target) as client:
        client.wait_until_serving(timeout=30)
        assert client.predict("small", [np.ones((5, 3), np.float32)], timeout=10)
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    assert f"max_connections is 10000, but this process may open {FEW} files" in log


def test_a_limit_that_suffices_is_raised_without_a_word(serve):
    """The soft limit is what shells set; only the hard one is the system's."""
    process, _, page = serve("--max-connections=300", hard_limit=1000)
    [most] = re.findall(r"^process_max_fds (\S+)$", urlopen(page, timeout=10).read().decode(), re.MULTILINE)
    assert float(most) >= 428
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=30)
    assert "max_connections" not in log


def test_nobody_who_is_silent_holds_a_drain(serve):
    """Streams that nobody feeds, of every kind, a connection that says nothing, and calls without their message."""
    process, target, _ = serve("--drain-seconds=600")
    host, _, port = target.rpartition(":")
    over = threading.Event()

    def first_then_nothing(message):
        yield message
        over.wait(60)

    def nothing():
        over.wait(60)
        yield b""

    health = inference_pb2.GetModelRequest().SerializeToString()
    with socket.create_connection((host, int(port))), grpc.insecure_channel(target) as channel:
        list_services = b"\x3a\x01*"  # of the request of reflection
        calls = [
            channel.stream_stream(REFLECTION)(first_then_nothing(list_services)),
            channel.stream_stream(HEALTH + "Watch")(first_then_nothing(health)),
        ]
        for call in calls:
            assert next(call)
        calls += [channel.stream_stream(method)(nothing()) for method in METHODS]
        with Client(target) as client, client.live("small") as live:
            live.feed(np.ones((5, 3), np.float32))
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "still open" not in log
        over.set()


def test_sigterm_before_it_listens_ends_it_at_once(only):
    """There is nothing to drain. As the first process of a container it would not even die of a signal by default."""
    command = [sys.executable, "-m", "carousel", "serve", f"--repository={only('small')}", "--port=0", "--http-port=0"]
    for moment in ("Python", "server"):
        process = subprocess.Popen([*command, "--drain-notice-seconds=600"], stderr=subprocess.PIPE, text=True)
        status = Path(f"/proc/{process.pid}/status")
        while not int(re.search(r"SigCgt:\s*(\w+)", status.read_text())[1], 16) >> signal.SIGTERM - 1 & 1:
            assert process.poll() is None
        if moment == "server":  # it has begun to build it
            while b"libonnxruntime" not in Path(f"/proc/{process.pid}/maps").read_bytes():
                assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
        assert process.returncode == 0, log
        assert "Traceback" not in log


def test_every_line_of_a_json_log_is_json(serve, tmp_path):
    """Whatever happens: a model that is refused, a worker that dies, a drain. A fleet's log is read by machines."""
    (tmp_path / "broken" / "1").mkdir(parents=True)
    process, *_ = serve("--log-format=json", "--log-level=debug", "--workers=2", f"--repository={tmp_path}")
    [worker, _] = (
        int(child)
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()
    )
    os.kill(worker, signal.SIGKILL)
    for line in process.stderr:
        if "in place of" in json.loads(line)["message"]:
            break
    process.send_signal(signal.SIGTERM)
    rest = [json.loads(line) for line in process.stderr]
    assert process.wait(30) == 0
    assert any(line["message"].startswith("SIGTERM") for line in rest)
