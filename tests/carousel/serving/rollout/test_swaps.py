"""Versions are swapped under load, every kind of damaged copy among them: no call fails, and no answer is wrong."""

import gc
import itertools
import os
import random
import shutil
import threading
import time
from pathlib import Path

import grpc
import numpy as np
import pytest

from carousel.client import Client
from carousel.stubs.v1 import inference_pb2 as pb
from carousel.stubs.v1 import inference_pb2_grpc
from carousel.wire import read_tensor, write_tensor

CALLERS = 4
STEPS = np.random.default_rng(5).standard_normal((20, 3), np.float32)
PROTOBUF, VARIABLES = "saved_model.pb", "variables/variables.data-00000-of-00001"
MANIFEST, GRAPH, GOLDEN = (f"assets.extra/{name}" for name in ("manifest.json", "cell_graph.onnx", "golden.npz"))


def cut(path):
    """Keep the first half, as a copy that was broken off."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    """Change one byte in the middle."""
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    path.write_bytes(whole)


def pipe(path):
    """Put a pipe there."""
    path.unlink()
    os.mkfifo(path)


def huge(path):
    """Make it 3 GB large, which takes no room."""
    with path.open("r+b") as file:
        file.truncate(3 << 30)


FILES = (PROTOBUF, VARIABLES, MANIFEST, GRAPH, GOLDEN)
DAMAGE = [
    *itertools.product((cut, Path.unlink, pipe), FILES),
    (flip, VARIABLES),
    *itertools.product((huge,), (PROTOBUF, MANIFEST)),
]


@pytest.fixture(scope="session")
def two(repository, tmp_path_factory):
    """Two versions of one signature and other weights."""
    import keras  # noqa: PLC0415 - TensorFlow takes seconds to import
    from keras import layers  # noqa: PLC0415 - as above

    from carousel_models.export.exporter import export  # noqa: PLC0415 - as above

    folder = tmp_path_factory.mktemp("two")
    keras.utils.set_random_seed(8)
    export(keras.Sequential([layers.Input((None, 3)), layers.LSTM(4), layers.Dense(2)]), folder, "small")
    return [repository / "small" / "1", folder / "small" / "1"]


class Load:
    """Callers that ask as fast as they are answered, and compare every answer with that of the version it names."""

    def __init__(self, target, expected):
        self.target, self.expected = target, expected
        self.answers = 0
        self.faults: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _call(self):
        request = pb.PredictRequest(model="small", return_sequences=False)
        write_tensor(STEPS, request.inputs.add())
        with grpc.insecure_channel(self.target) as channel:
            stub = inference_pb2_grpc.InferenceServiceStub(channel)
            while not self._stop.is_set():
                try:
                    answer = stub.Predict(request, timeout=60)
                except grpc.RpcError as error:
                    self.faults.append(f"{error.code()}: {error.details()}")
                    continue
                self.answers += 1
                if read_tensor(answer.predictions[0].output).tobytes() != self.expected[answer.version % 2]:
                    self.faults.append(f"version {answer.version}: a wrong answer")
                time.sleep(0.002)  # the loader shares the processor


class Live:
    """One live sequence after another, each fed over twenty reloads, and held to what its version answers."""

    def __init__(self, client, expected):
        self._client, self._expected = client, expected
        self._sequence, self._fed, self._born = None, 0, 0
        self.whole = 0

    def feed(self, version):
        """Feed one step; `version` is the one that takes requests now."""
        if self._sequence is None:
            self._sequence, self._fed, self._born = self._client.live("small"), 0, version % 2
        answer = self._sequence.feed(STEPS[self._fed : self._fed + 1]).output
        self._fed += 1
        if self._fed == len(STEPS):
            assert answer.tobytes() == self._expected[self._born]
            self.whole += 1
            self.close()

    def close(self):
        """End what is open."""
        if self._sequence is not None:
            self._sequence.close()
            self._sequence = None


class Repository:
    """Publishes versions of two models in turn, and waits for what the server makes of them."""

    def __init__(self, folder, two, serving):
        self.folder, self._two = folder, two
        self._catalog, self.rollout = serving.server._catalog, serving.server._rollout
        self._on_loop = serving.on_loop

    @property
    def served(self):
        """The newest version that takes requests."""
        return self._on_loop(lambda: max(model.version.number for model in self._catalog))

    def publish(self, number, damage=None):
        """Copy a version beside, damage it there, and rename it."""
        beside = self.folder / f"{number}.tmp"
        shutil.copytree(self._two[number % 2], beside)
        if damage is not None:
            make, where = damage
            make(beside / where)
        beside.rename(self.folder / str(number))

    def swap(self, number):
        """Publish a whole version, wait until it serves, and remove the others."""
        self.publish(number)
        self.until(lambda: self.served == number)
        for path in self.folder.iterdir():
            if path.name != str(number):
                shutil.rmtree(path)

    def looked(self):
        """Wait for a look that began after now."""
        for _ in range(2):
            before = self.rollout.looked_at
            self.until(lambda before=before: self.rollout.looked_at > before)

    def until(self, true):
        """Wait until `true()` is."""
        end = time.monotonic() + 60
        while not true():
            assert time.monotonic() < end, self.rollout.rejections.reasons
            time.sleep(0.005)


def resident():
    """Say what this process holds, in MB."""
    gc.collect()
    return round(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6)


@pytest.mark.parametrize("swaps", [24, pytest.param(1000, marks=pytest.mark.soak)])
def test_swaps_under_load_fail_no_call_and_answer_as_the_version_they_name(swaps, two, server, tmp_path, caplog):
    """Every swap is preceded by one damaged copy; live sequences go on over twenty reloads, bit for bit."""
    chance = random.Random(7)
    shutil.copytree(two[1], tmp_path / "small" / "1")
    serving = server(repository=tmp_path, poll_seconds=0.02, settle_seconds=0.0)
    repository = Repository(tmp_path / "small", two, serving)
    memory = []
    with Client(serving.target) as client:
        first = client.predict("small", [STEPS])[0].output.tobytes()
        repository.swap(2)
        expected = [client.predict("small", [STEPS])[0].output.tobytes(), first]
        assert expected[0] != expected[1]
        live = Live(client, expected)
        with Load(serving.target, expected) as load:
            for i in range(swaps):
                number = 3 * i + 4  # even and odd in turn, as is the one that follows
                live.feed(repository.served)
                repository.publish(number, DAMAGE[i] if i < len(DAMAGE) else chance.choice(DAMAGE))
                repository.looked()
                assert repository.served < number
                repository.swap(number + 1)
                caplog.clear()
                if i % 50 == 49:
                    memory.append(resident())
        live.close()
    said = (
        f"{load.answers} answers, {live.whole} live sequences, {repository.rollout.loads}, MB each 50 swaps: {memory}"
    )
    assert load.faults == [], said
    assert load.answers > swaps, said
    assert live.whole == swaps // len(STEPS), said
