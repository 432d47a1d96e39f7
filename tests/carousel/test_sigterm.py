"""SIGTERM on a real server under load from clients that ignore health: each call is answered or may be sent again."""

import collections
import json
import signal
import subprocess
import sys
import threading
import time

import grpc
import numpy as np
import pytest

from carousel.stubs.v1.inference_pb2 import DataType, PredictRequest, Tensor

LOADING = """
import sys
from carousel.cli import main
from carousel.serving.rollout import rollout

load = rollout.load_version

def again_and_again(*arguments, **options):
    print("loading", flush=True)
    while True:
        load(*arguments, **options)

rollout.load_version = again_and_again
sys.exit(main(["serve", *sys.argv[1:]]))
"""
METHOD = "/carousel.v1.InferenceService/Predict"
STEPS = 40


@pytest.fixture
def under_load(only):
    """Start a server and clients that ask without end; return the server's process, and how to hear of the calls."""
    running = []

    def start(workers):
        command = [sys.executable, "-m", "carousel", "serve", f"--repository={only('small')}", f"--workers={workers}"]
        loopback = ["--host=127.0.0.1", "--port=0", "--http-host=127.0.0.1", "--http-port=0"]
        server = subprocess.Popen(
            [*command, *loopback, "--engine=onnx", "--drain-notice-seconds=0.1", "--log-level=warning"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(server)
        target = server.stdout.readline().removeprefix("gRPC on ").partition(",")[0]
        clients = [
            subprocess.Popen([sys.executable, __file__, target], stdout=subprocess.PIPE, text=True) for _ in range(2)
        ]
        running.extend(clients)
        for client in clients:
            assert client.stdout.readline() == "answered\n"
        return server, lambda: sum(
            (collections.Counter(json.loads(client.communicate(timeout=60)[0])) for client in clients),
            collections.Counter(),
        )

    yield start
    for process in running:
        process.kill()
        process.communicate()


def drained(under_load, workers):
    """End a server under load; return how its clients' calls ended."""
    server, ends = under_load(workers)
    server.send_signal(signal.SIGTERM)
    _, log = server.communicate(timeout=60)
    assert server.returncode == 0, log
    assert log == ""  # nothing was given up, nothing went wrong
    return ends()


@pytest.mark.parametrize("workers", [1, 2])
def test_no_call_ends_by_anything_but_ok_and_unavailable(under_load, workers):
    codes = drained(under_load, workers)
    assert codes["OK"] > 0
    assert set(codes) <= {"OK", "UNAVAILABLE"}


def test_a_load_that_is_under_way_does_not_abort_the_process(only):
    """It is in C++ on a thread of its own, which must not come back to an interpreter that is ending."""
    loopback = ["--host=127.0.0.1", "--port=0", "--http-host=127.0.0.1", "--http-port=0", "--drain-notice-seconds=0"]
    command = [sys.executable, "-c", LOADING, f"--repository={only('small')}", "--engine=onnx", *loopback]
    for _ in range(3):
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert server.stdout.readline() == "loading\n"
            time.sleep(0.2)
            server.send_signal(signal.SIGTERM)
            _, log = server.communicate(timeout=60)
        finally:
            server.kill()
            server.wait()
        assert server.returncode == 0, log


@pytest.mark.soak
@pytest.mark.parametrize("workers", [1, 2])
def test_fifty_times_no_call_ends_by_anything_but_ok_and_unavailable(under_load, workers):
    codes = sum((drained(under_load, workers) for _ in range(50)), collections.Counter())
    sys.stderr.write(f"{workers} workers, 50 times: {dict(codes)}\n")
    assert set(codes) <= {"OK", "UNAVAILABLE"}


def ask_until_it_is_gone(target):
    """Ask from 32 threads over 4 connections until a second after the first refusal; print how the calls ended."""
    codes, first = collections.Counter(), threading.Event()
    steps = np.random.default_rng(0).standard_normal((STEPS, 3)).astype("<f4")
    request = PredictRequest(
        model="small", inputs=[Tensor(dtype=DataType.DATA_TYPE_FLOAT32, shape=steps.shape, content=steps.tobytes())]
    )
    message, counting = request.SerializeToString(), threading.Lock()

    def ask(stub):
        end = float("inf")
        while time.monotonic() < end:
            try:
                stub(message, timeout=20)
                code = "OK"
            except grpc.RpcError as error:
                code = error.code().name
                end = min(end, time.monotonic() + 1)
                if "failed to connect" in error.details():
                    time.sleep(0.01)
            with counting:
                codes[code] += 1
            first.set()

    options = (("grpc.use_local_subchannel_pool", 1),)
    channels = [grpc.insecure_channel(target, options=options) for _ in range(4)]
    threads = [threading.Thread(target=ask, args=(each.unary_unary(METHOD),)) for each in channels * 8]
    for thread in threads:
        thread.start()
    first.wait(20)
    time.sleep(1)
    sys.stdout.write("answered\n")
    sys.stdout.flush()
    for thread in threads:
        thread.join()
    json.dump(codes, sys.stdout)


if __name__ == "__main__":
    ask_until_it_is_gone(sys.argv[1])
