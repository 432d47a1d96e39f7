"""Workers share a port, are replaced when they die, count together, and drain together."""

import collections
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from carousel.client import Client
from carousel.errors import CarouselError
from carousel.serving import model

PREDICT = 'grpc_server_handled_total{grpc_code="OK",grpc_method="Predict"'
OPEN, MOST = "process_open_fds", "process_max_fds"
CPU, MEMORY = "process_cpu_seconds_total", "process_resident_memory_bytes"


@pytest.fixture
def started_only(only):
    served = f"--repository={only('stack')}"
    command = [sys.executable, "-m", "carousel", "serve", "--workers=2", "--engine=onnx", served]
    loopback = ["--host", "127.0.0.1", "--port", "0", "--http-host", "127.0.0.1", "--http-port", "0"]
    process = subprocess.Popen(
        [*command, *loopback, "--drain-notice-seconds", "0", "--worker-timeout-seconds", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


@pytest.fixture
def workers(started_only):
    process = started_only
    said = process.stdout.readline()
    target, metrics = said.removeprefix("gRPC on ").strip().split(", metrics on ")
    return process, target, metrics


def counted(metrics, start):
    lines = urllib.request.urlopen(metrics).read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(start))


def ask(target, calls):
    """Ask over as many connections, so that both workers get some."""
    for _ in range(calls):
        with Client(target) as client:
            client.predict("stack", [np.ones((5, 64), np.float32)], timeout=30)


def children(pid):
    tasks = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in tasks if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def test_workers_count_together_survive_a_death_and_drain_to_status_zero(workers):
    process, target, metrics = workers
    ask(target, 12)
    assert counted(metrics, PREDICT) == 12
    before = children(process.pid)
    assert len(before) == 2
    processes = [process.pid, *before]
    took, spent = sum(map(cpu_seconds, processes)), counted(metrics, CPU)
    assert took - 0.1 < spent
    assert counted(metrics, MEMORY) > 0.9 * sum(map(resident, processes))
    files = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in processes)
    assert abs(counted(metrics, OPEN) - files) < 15  # each has a connection more or less of its own
    assert counted(metrics, MOST) >= 3 * resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(set(children(process.pid)) - {before[0]}) == 2)
    ask(target, 12)
    # Counters never fall: what the dead one had counted by the last scrape stays.
    assert counted(metrics, PREDICT) == 24
    assert counted(metrics, CPU) > spent

    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=30)
    assert process.returncode == 0, log
    assert re.search(r"worker \d+ ended with status -9", log)


def test_workers_that_die_or_stand_still_in_turn_are_replaced_and_no_new_one_answers_before_it_has_loaded(workers):
    """SIGSTOP is as still as a process gets. Calls end answered or as what may be sent again: never NOT_FOUND."""
    process, target, _ = workers
    ends, over = collections.Counter(), threading.Event()

    def keep_asking():
        while not over.is_set():
            with Client(target) as client:
                try:
                    client.predict("stack", [np.ones((5, 64), np.float32)], timeout=1)
                    ends["OK"] += 1
                except CarouselError as error:
                    ends[type(error).__name__] += 1

    asking = threading.Thread(target=keep_asking)
    asking.start()
    first, second = children(process.pid)
    os.kill(first, signal.SIGSTOP)
    until(lambda: len(set(children(process.pid)) - {first}) == 2)
    [third] = set(children(process.pid)) - {first, second}
    os.kill(third, signal.SIGKILL)
    os.kill(second, signal.SIGKILL)
    until(lambda: len(set(children(process.pid)) - {first, second, third}) == 2)
    asked = ends["OK"]
    until(lambda: ends["OK"] > asked)
    over.set()
    asking.join()
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=30)
    assert process.returncode == 0, log
    assert re.search(rf"worker {first} has not moved for [\d.]+ s; killing it", log)
    # Replacements start side by side: both pauses have begun before either of them is over.
    told = [ended or f"+{replaced}" for ended, replaced in re.findall(r"worker (\d+) ended|in place of (\d+)", log)]
    assert told[:2] == [str(first), f"+{first}"]
    assert sorted(told[2:4]) == sorted([str(second), str(third)])
    assert sorted(told[4:]) == sorted([f"+{second}", f"+{third}"])
    assert set(ends) <= {"OK", "Unreachable", "DeadlineExceeded"}  # the last from the worker that stood still


def test_workers_that_end_before_they_serve_end_the_command(started_only):
    """What cannot start is not started for ever: whoever runs the command sees a status that is not 0."""
    until(lambda: len(children(started_only.pid)) == 2)
    first = children(started_only.pid)[0]
    os.kill(first, signal.SIGKILL)
    said, log = started_only.communicate(timeout=30)
    assert started_only.returncode == 1
    assert said == ""
    assert f"worker {first} could not start, status -9" in log
    assert "Traceback" not in log


class Stuck:
    """An engine that does not come back until it is let go."""

    def __init__(self, engine):
        self._engine = engine
        self.free = threading.Event()

    def run(self, *arguments):
        self.free.wait(60)
        return self._engine.run(*arguments)

    def __getattr__(self, name):
        return getattr(self._engine, name)


def test_a_server_whose_engine_stands_still_gives_no_sign_of_life(server, monkeypatch):
    """The engine's own thread does not hold the loop up, so that the loop alone would say nothing of it."""
    monkeypatch.setattr(model, "STANDSTILL", 0.0)  # seconds: every tick runs on that thread
    serving = server(worker_timeout_seconds=1)
    [served] = serving.on_loop(lambda: list(serving.server._catalog))
    stuck = Stuck(served.version.engine)
    served.version = replace(served.version, engine=stuck)
    with Client(serving.target) as client, ThreadPoolExecutor(1) as asking:
        assert serving.server.ask_pulse() is True
        answer = asking.submit(client.predict, "small", [np.ones((5, 3), np.float32)], timeout=60)
        until(lambda: serving.server.ask_pulse() is None)
        stuck.free.set()
        assert answer.result()
        assert serving.server.ask_pulse() is True
