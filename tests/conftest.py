"""What every test may stand on: exported models, running servers, and clients of them."""

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from carousel.client import Client
from carousel.server import Server
from carousel.settings import Settings

settings.register_profile("ours", deadline=None)  # a shared machine may be slow, and no test is of times
settings.load_profile("ours")


def pytest_configure():
    """Take Ctrl-C as it is meant: a run in the background has it ignored, and so would every process it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Let what is meant to take long take long: the limit for a test is for those of `make test`."""
    for item in items:
        if item.get_closest_marker("soak") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(0))


LOOPBACK = {"host": "127.0.0.1", "port": 0, "http_host": "127.0.0.1", "http_port": 0}


@pytest.fixture(scope="session")
def repository(tmp_path_factory) -> Path:
    """The three models that teach, a small one, a whole one, one that answers more, and one of six timesteps."""
    import keras  # noqa: PLC0415 - TensorFlow takes seconds to import, and many tests need none
    from keras import layers  # noqa: PLC0415 - as above

    from carousel_models.export.exporter import export  # noqa: PLC0415 - as above

    keras.utils.set_random_seed(7)
    models = {
        "lstm128": [layers.Input((None, 300)), layers.LSTM(128)],
        "stack": [layers.Input((None, 64)), layers.LSTM(128, return_sequences=True), layers.LSTM(256)],
        "relu50": [layers.Input((None, 1)), layers.LSTM(50, activation="relu"), layers.Dense(1)],
        "small": [layers.Input((None, 3)), layers.LSTM(4), layers.Dense(2)],
        "whole": [layers.Input((None, 3)), layers.Bidirectional(layers.LSTM(4, return_sequences=True))],
        "longer": [layers.Input((None, 3)), layers.LSTM(4, return_sequences=True), layers.UpSampling1D(2)],
        "fixed": [layers.Input((6, 3)), layers.LSTM(4, return_sequences=True), layers.Flatten(), layers.Dense(2)],
    }
    repository = tmp_path_factory.mktemp("repository")
    for name, stack in models.items():
        model = keras.Sequential(stack)
        if name == "relu50":
            model.compile("adam", "mse")
            chance = keras.random.SeedGenerator(1)
            model.fit(
                keras.random.normal((64, 10, 1), seed=chance), keras.random.normal((64, 1), seed=chance), verbose=0
            )
        export(model, repository, name)
        model.save(repository / name / "own.keras")
    return repository


class Serving:
    """A server that runs on a thread of its own until `stop`."""

    def __init__(self, **settings):
        self.server = Server(Settings(**LOOPBACK, **settings))
        self.target = f"127.0.0.1:{self.server.port}"
        self.metrics = f"http://127.0.0.1:{self.server.http_port}/metrics"
        self.status = None
        self.listening = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        self.status = self.server.run(self.listening.set)

    def on_loop(self, function):
        """Run `function` on the loop's thread and return what it returned."""
        return self.server._loop.ask(function, 30)

    def join(self):
        """Wait for the end, and return the exit status."""
        self._thread.join(60)
        assert not self._thread.is_alive(), "the server did not end"
        return self.status

    def stop(self):
        self.server.drain()
        return self.join()


@pytest.fixture(scope="session")
def only(repository, tmp_path_factory) -> Callable[..., Path]:
    """Make repositories that hold some of the models: what is not loaded takes no time."""

    def link(*names: str) -> Path:
        some = tmp_path_factory.mktemp("some")
        for name in names:
            (some / name).mkdir()
            (some / name / "1").symlink_to(repository / name / "1")
        return some

    return link


def _started(**settings) -> Serving:
    quick = {"poll_seconds": 0.1, "drain_notice_seconds": 0, "drain_seconds": 2, "settle_seconds": 0.1}
    serving = Serving(**quick | settings)
    assert serving.listening.wait(60)
    with Client(serving.target) as client:
        client.wait_until_serving(timeout=60)
    return serving


@pytest.fixture(scope="session")
def started() -> Callable[..., Serving]:
    """Start a server on loopback, and return it once it is ready. Who starts it stops it."""
    return _started


@pytest.fixture
def server(only) -> Iterator[Callable[..., Serving]]:
    """Start servers, of the small model if nothing else is said; all are stopped when the test ends."""
    running: list[Serving] = []

    def start(**settings) -> Serving:
        if "repository" not in settings:
            settings["repository"] = only("small")
        running.append(_started(**settings))
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.fixture
def bare() -> Iterator[Callable[..., Serving]]:
    """Start servers that nobody waits for: they may never be ready."""
    running: list[Serving] = []

    def start(**settings) -> Serving:
        running.append(Serving(**settings))
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.fixture(scope="session")
def serving(repository) -> Iterator[Serving]:
    """One server of everything, with the default settings, that no test stops."""
    everything = _started(repository=repository)
    yield everything
    everything.stop()


@pytest.fixture(scope="session")
def client(serving) -> Iterator[Client]:
    """A client of the server of everything."""
    with Client(serving.target) as client:
        yield client
