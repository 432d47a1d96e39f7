"""What most tests stand on: exported models, and a real server on loopback."""

import threading
from contextlib import contextmanager
from pathlib import Path

import keras
import pytest
from keras import layers

from carousel.client import Client
from carousel.server import Server
from carousel.settings import Settings
from carousel_models.export import export


@pytest.fixture(scope="session")
def models() -> dict[str, keras.Model]:
    """The three models of the field's own teaching text; one that rides whole; one that takes one length alone."""
    keras.utils.set_random_seed(7)
    return {
        "lstm128": keras.Sequential([layers.Input((None, 300)), layers.LSTM(128)]),
        "stack": keras.Sequential(
            [layers.Input((None, 64)), layers.LSTM(128, return_sequences=True), layers.LSTM(256)]
        ),
        "relu50": keras.Sequential([layers.Input((None, 1)), layers.LSTM(50, activation="relu"), layers.Dense(1)]),
        "whole": keras.Sequential([layers.Input((None, 3)), layers.Bidirectional(layers.LSTM(4))]),
        "fixed": keras.Sequential(
            [layers.Input((6, 3)), layers.LSTM(4, return_sequences=True), layers.Flatten(), layers.Dense(2)]
        ),
    }


@pytest.fixture(scope="session")
def repository(tmp_path_factory, models) -> Path:
    """A repository of the models, exported once."""
    folder = tmp_path_factory.mktemp("repository")
    for name, model in models.items():
        export(model, folder, name)
    return folder


@contextmanager
def serving(repository: Path, **settings):
    """A server of this process, on free loopback ports, on a thread of its own; drained at the end."""
    loopback = {"host": "127.0.0.1", "port": 0, "http_host": "127.0.0.1", "http_port": 0, "drain_notice_seconds": 0}
    server = Server(Settings(**{**loopback, "repository": repository, "poll_seconds": 0.2, **settings}))
    thread = threading.Thread(target=server.run)
    thread.start()
    server.target = f"127.0.0.1:{server.port}"
    server.metrics_page = f"http://127.0.0.1:{server.http_port}/metrics"
    try:
        with Client(server.target) as client:
            client.wait_until_serving(timeout=60)
        yield server
    finally:
        server.drain()
        thread.join(60)
        assert not thread.is_alive(), "the server did not drain"


@pytest.fixture
def serve():
    """Start servers with settings of one's own: `with serve(repository, max_samples=2) as server`."""
    return serving


@pytest.fixture(scope="session")
def server(repository):
    """A server of every model, with the settings' defaults."""
    with serving(repository) as server:
        yield server


@pytest.fixture
def client(server):
    """A client of `server`."""
    with Client(server.target) as client:
        yield client
