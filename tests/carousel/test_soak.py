"""An hour of everything at once: every answer is the right one, and memory and descriptors stay flat.

Two workers serve unary calls, live sequences, the Open Inference Protocol over gRPC and HTTP, and REST, while versions
replace one another and one of the workers is killed again and again; the other one lives to the end, and its memory
is what is watched. SOAK_SECONDS in the environment sets another length.
"""

import contextlib
import itertools
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest

import carousel
from carousel.client import Client
from carousel.stubs.oip import open_inference_pb2 as oip
from carousel.stubs.v1 import inference_pb2 as v1
from carousel.wire import read_tensor, write_tensor
from tests.carousel.http.bits import equal_bits

SECONDS = float(os.environ.get("SOAK_SECONDS", "3600"))
RELOAD, KILL, LOOK = 20.0, 45.0, 5.0  # seconds between two of them
KEPT = 3  # versions on disk; two of them are served, so a live sequence of some seconds never outlives its own
PACE = 0.02  # seconds that a caller rests after an answer
PREDICT, INFER = "/carousel.v1.InferenceService/Predict", "/inference.GRPCInferenceService/ModelInfer"
LATER = {grpc.StatusCode.UNAVAILABLE}  # what a client sends again: its worker was killed


class Lost(Exception):
    """A connection ended with its worker: the client asks again, on another one."""


class Known:
    """Sequences of many lengths, and what each of the two models answers at each of their timesteps."""

    def __init__(self, versions):
        chance = np.random.default_rng(11)
        self.sequences = [
            chance.standard_normal((length, 3), np.float32) for length in (1, 2, 3, 7, 12, 25, 40, 60, 90, 130, 200)
        ]
        models = [carousel.load(path, engine="onnx") for path in versions]
        self.answers = [model.predict(self.sequences, return_sequences=True) for model in models]

    def check(self, number, which, output, at=slice(None)):
        """Raise AssertionError unless this is what version `number` answers to a sequence, at these timesteps."""
        right = self.answers[number % 2][which][at]
        assert equal_bits(output, right), f"version {number}, {len(self.sequences[which])} timesteps: a wrong answer"

    def number(self, which, output, at):
        """Find the version that gave this answer."""
        for number in (0, 1):
            if equal_bits(output, self.answers[number][which][at]):
                return number
        raise AssertionError(f"{len(self.sequences[which])} timesteps: an answer that no version gives")

    def some(self, chance):
        which = chance.randrange(len(self.sequences))
        return which, self.sequences[which]


@contextlib.contextmanager
def connected(target):
    """A connection of its own: either worker may get it."""
    with grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]) as channel:
        try:
            yield channel
        except grpc.RpcError as error:
            if error.code() in LATER:
                raise Lost from error
            raise


def unary(server, known, chance):
    """Whole sequences, several in a request."""
    with connected(server.target) as channel:
        predict = channel.unary_unary(PREDICT, v1.PredictRequest.SerializeToString, v1.PredictResponse.FromString)
        for _ in range(50):
            some = [known.some(chance) for _ in range(chance.randint(1, 5))]
            request = v1.PredictRequest(model="small", return_sequences=True)
            for _, steps in some:
                write_tensor(steps, request.inputs.add())
            answer = predict(request, timeout=60)
            for (which, _), prediction in zip(some, answer.predictions, strict=True):
                known.check(answer.version, which, read_tensor(prediction.output))
            yield


def live(server, known, chance):
    """Live sequences by our own client, which finds another worker by itself: none may be lost."""
    with Client(server.target) as client:
        for _ in range(5):
            which, steps = known.some(chance)
            with client.live("small", snapshot_every=8, return_sequences=True) as sequence:
                number, fed = None, 0
                while fed < len(steps):
                    at = slice(fed, fed + chance.randint(1, 9))
                    output = sequence.feed(steps[at]).output
                    number = known.number(which, output, at) if number is None else number
                    known.check(number, which, output, at)
                    fed = at.stop
                    yield


def infer_request(steps, **parameters):
    request = oip.ModelInferRequest(model_name="small", raw_input_contents=[steps.tobytes()])
    request.inputs.add(name="inputs", datatype="FP32", shape=[1, *steps.shape])
    request.outputs.add(name="sequence")
    for name, value in parameters.items():
        field = {bool: "bool_param", str: "string_param"}[type(value)]
        setattr(request.parameters[name], field, value)
    return request


def open_inference(server, known, chance):
    """Whole sequences, and live ones by their id."""
    with connected(server.target) as channel:
        infer = channel.unary_unary(INFER, oip.ModelInferRequest.SerializeToString, oip.ModelInferResponse.FromString)
        for _ in range(10):
            which, steps = known.some(chance)
            answer = infer(infer_request(steps), timeout=60)
            known.check(int(answer.model_version), which, np.frombuffer(answer.raw_output_contents[0], "<f4"))
            yield
            which, steps = known.some(chance)
            name, fed = f"{chance.getrandbits(64):x}", 0
            while fed < len(steps):
                at = slice(fed, fed + 20)
                ends = at.stop >= len(steps)
                asked = infer_request(steps[at], sequence_id=name, sequence_start=fed == 0, sequence_end=ends)
                answer = infer(asked, timeout=60)
                output = np.frombuffer(answer.raw_output_contents[0], "<f4")
                known.check(int(answer.model_version), which, output, at)
                fed = at.stop
                yield


@contextlib.contextmanager
def browsing(server):
    with httpx.Client(base_url=server.http, timeout=60) as web:
        try:
            yield web
        except httpx.TransportError as error:
            raise Lost from error


def rest(server, known, chance):
    """TensorFlow Serving's REST interface, which names no version, and the metrics beside it."""
    with browsing(server) as web:
        for _ in range(50):
            which, steps = known.some(chance)
            body = {"signature_name": "sequence", "instances": [steps.tolist()]}
            answer = web.post("/v1/models/small:predict", json=body).raise_for_status().json()
            known.number(which, answer["predictions"][0], slice(None))
            yield
        web.get("/metrics").raise_for_status()


def open_inference_http(server, known, chance):
    """The same protocol in JSON."""
    with browsing(server) as web:
        for _ in range(50):
            which, steps = known.some(chance)
            tensor = {"name": "inputs", "datatype": "FP32", "shape": [1, *steps.shape], "data": steps.ravel().tolist()}
            body = {"inputs": [tensor], "outputs": [{"name": "sequence"}]}
            answer = web.post("/v2/models/small/infer", json=body).raise_for_status().json()
            known.check(int(answer["model_version"]), which, answer["outputs"][0]["data"])
            yield


class Caller(threading.Thread):
    """Asks one way until it is stopped, and keeps count."""

    def __init__(self, way, *arguments):
        super().__init__(daemon=True)
        self.way, self.answers, self.lost, self.faults = way, 0, 0, []
        self._arguments, self._stop_asking = arguments, threading.Event()

    def run(self):
        while not self._stop_asking.is_set():
            try:
                for _ in self.way(*self._arguments):
                    self.answers += 1
                    if self._stop_asking.wait(PACE):
                        break
            except Lost:
                self.lost += 1
                time.sleep(0.2)
            except Exception as fault:  # noqa: BLE001 - whatever it is, the test says it at the end
                self.faults.append(f"{self.way.__name__}: {fault!r}"[:500])
                time.sleep(0.2)

    def stop(self):
        self._stop_asking.set()


def counted(callers):
    """Answers, by way."""
    answers = dict.fromkeys((caller.way.__name__ for caller in callers), 0)
    for caller in callers:
        answers[caller.way.__name__] += caller.answers
    return answers


class Workers:
    """`carousel serve` with two workers; the first of them is never killed."""

    def __init__(self, repository, log):
        command = [sys.executable, "-m", "carousel", "serve", "--repository", str(repository), "--workers", "2"]
        loopback = ["--host", "127.0.0.1", "--port", "0", "--http-host", "127.0.0.1", "--http-port", "0"]
        quick = ["--poll-seconds", "0.5", "--settle-seconds", "0.2", "--drain-notice-seconds", "0"]
        quick += ["--worker-timeout-seconds", "60"]  # a machine that others use too may stand still for some
        self.log = log
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                [*command, *loopback, *quick, "--engine", "onnx", "--keep-versions", "2"],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        said = self.process.stdout.readline()
        found = re.search(r"gRPC on ([\d.]+:\d+), metrics on (http://[\d.]+:\d+)", said)
        assert found, log.read_text()
        self.target, self.http = found[1], found[2]
        self.survivor = min(self.workers)

    @property
    def workers(self):
        pid = self.process.pid
        every = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in every if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]

    def kill_one(self):
        """Kill the worker that is not the survivor; say whether there was one."""
        for pid in self.workers:
            if pid != self.survivor:
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def measure(self):
        """Megabytes and descriptors of the survivor and of the supervisor."""
        assert self.survivor in self.workers, f"worker {self.survivor} is gone: {self.log.read_text()[-2000:]}"
        measured = []
        for pid in (self.survivor, self.process.pid):
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            measured += [pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(list(Path(f"/proc/{pid}/fd").iterdir()))]
        return measured


class Publishing:
    """Versions in turn: those of odd numbers are the one model, those of even numbers the other."""

    def __init__(self, folder, versions):
        self.folder, self._versions = folder, versions
        self._numbers = itertools.count(1)
        self.number = 0

    def publish(self):
        self.number = next(self._numbers)
        beside = self.folder / f"{self.number}.tmp"
        shutil.copytree(self._versions[self.number % 2], beside)
        beside.rename(self.folder / str(self.number))
        if self.number > KEPT:
            shutil.rmtree(self.folder / str(self.number - KEPT))


@pytest.fixture
def versions(tmp_path):
    """Two models of one signature and other weights: that of even numbers first."""
    import keras  # noqa: PLC0415 - TensorFlow takes seconds to import
    from keras import layers  # noqa: PLC0415 - as above

    from carousel_models.export.exporter import export  # noqa: PLC0415 - as above

    for seed in (0, 1):
        keras.utils.set_random_seed(seed)
        model = keras.Sequential([layers.Input((None, 3)), layers.LSTM(4), layers.Dense(2)])
        export(model, tmp_path / str(seed), "small")
    return [tmp_path / str(seed) / "small" / "1" for seed in (0, 1)]


def go_through(server, publishing, callers, say):
    """Let the time pass: publish, kill, measure; return what was measured, and how many were killed."""
    began = time.monotonic()
    due = {RELOAD: began + RELOAD, KILL: began + KILL, 60.0: began + 60.0}
    measured, kills = [], 0
    while (now := time.monotonic()) < began + SECONDS:
        for every in [every for every, at in due.items() if at <= now]:
            due[every] = now + every
            if every == RELOAD:
                publishing.publish()
            elif every == KILL:
                kills += server.kill_one()
            else:
                answers = counted(callers)
                lost = sum(caller.lost for caller in callers)
                faults = [fault for caller in callers for fault in caller.faults]
                memory = "survivor {:.0f} MB, {} files; supervisor {:.0f} MB, {} files".format(*measured[-1])
                say(f"{now - began:.0f} s: {answers}, {lost} asked again, faults {faults[:3]}; {memory}; {kills} kills")
        measured.append(server.measure())
        time.sleep(LOOK)
    return measured, kills


@pytest.mark.soak
def test_an_hour_of_everything_at_once(versions, tmp_path, capsys):
    def say(line):
        with capsys.disabled():
            sys.stderr.write(f"soak: {line}\n")

    folder = tmp_path / "repository" / "small"
    folder.mkdir(parents=True)
    publishing = Publishing(folder, versions)
    publishing.publish()
    known = Known(versions)
    server = Workers(folder.parent, tmp_path / "log")
    ways = [unary, live, live, open_inference, rest, open_inference_http]
    callers = [Caller(way, server, known, random.Random(seed)) for seed, way in enumerate(ways)]
    try:
        for caller in callers:
            caller.start()
        measured, kills = go_through(server, publishing, callers, say)
        for caller in callers:
            caller.stop()
        for caller in callers:
            caller.join(90)
            assert not caller.is_alive(), f"{caller.way.__name__} waits for an answer that never came"
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
    finally:
        for caller in callers:
            caller.stop()
        server.process.kill()
        server.process.communicate()
    answers = counted(callers)
    faults = [fault for caller in callers for fault in caller.faults]
    say(f"{sum(answers.values())} answers: {answers}; {publishing.number} versions, {kills} kills")
    say(f"{sum(caller.lost for caller in callers)} connections lost and asked again; {len(faults)} faults {faults[:5]}")
    sixth = max(1, len(measured) // 6)
    early, late = (
        [statistics.median(column) for column in zip(*part, strict=True)]
        for part in (measured[sixth : 2 * sixth], measured[-sixth:])
    )
    bounds = itertools.product(("survivor", "supervisor"), (("MB", 24), ("files", 16)))
    for at, (name, (unit, more)) in enumerate(bounds):
        say(f"{name}: {early[at]:.0f} {unit} in the second sixth, {late[at]:.0f} in the last")
        assert late[at] - early[at] < more
    log = server.log.read_text()
    bad = [line for line in log.splitlines() if re.search(r"Traceback|WARNING|ERROR|CRITICAL", line)]
    bad = [line for line in bad if not re.search(r"worker \d+ ended with status -9", line)]
    assert not faults, faults[:20]
    assert not bad, bad[:20]
    assert all(answers.values())
