"""Real servers, a real Prometheus and real load on loopback, for what deploy/ promises."""

from collections.abc import Iterator
from pathlib import Path

import keras
import pytest

from carousel_models.export import export
from tests.deploy.tools import Served


@pytest.fixture(scope="session")
def repository(tmp_path_factory) -> Path:
    """A repository of one small model, `lstm`: 8 inputs, 16 units."""
    keras.utils.set_random_seed(1)
    layers = [keras.Input((None, 8)), keras.layers.LSTM(16, return_sequences=True), keras.layers.LSTM(16)]
    folder = tmp_path_factory.mktemp("deploy") / "repository"
    export(keras.Sequential(layers), folder, "lstm")
    return folder


@pytest.fixture
def serve(repository) -> Iterator:
    """Start servers; whatever still runs is ended after the test."""
    running: list[Served] = []

    def start(*flags: str, folder: Path = repository, **place) -> Served:
        running.append(Served(folder, *flags, **place))
        return running[-1]

    yield start
    for server in running:
        server.end()
