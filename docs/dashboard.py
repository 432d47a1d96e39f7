"""Draws docs/dashboard.png: the dashboard, from a real Prometheus that watched two real servers for two minutes.

`python -m docs.dashboard` in the repository's root; needs what `make install tools` sets up.
"""

import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import keras
import numpy as np
from opentelemetry import trace
from opentelemetry.instrumentation.grpc import GrpcInstrumentorClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

from carousel.client import Client
from carousel_models.export import export
from docs.panels import Run, draw
from tests.deploy.tools import ROOT, Served
from tests.deploy.watched import Load, Prometheus, asked

PICTURE = Path(__file__).with_suffix(".png")

_LASTS = 120.0  # seconds
_BEFORE = 6.0  # seconds until there is a rate to show
_MODELS = {"weather": (4, (32,)), "speech": (64, (128, 256))}  # input_dim, and the units of each LSTM


class Feeds:
    """Live sequences over one stream: one more every so often, and all fed in turns until the end."""

    def __init__(self, server: Served, model: str, most: int) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(server.address, model, most))
        self._thread.start()

    def end(self) -> None:
        """Close them."""
        self._over.set()
        self._thread.join()

    def _run(self, address: str, model: str, most: int) -> None:
        steps = np.zeros((2, _MODELS[model][0]), np.float32)
        with Client(address) as client, client.fleet() as fleet:
            sequences = []
            while not self._over.is_set():
                if len(sequences) < most:
                    sequences.append(fleet.open(model, str(len(sequences))))
                for sequence in sequences:
                    sequence.send(steps)
                self._over.wait(0.4)


def main() -> None:
    """Let two servers live through two minutes, and draw what Prometheus saw."""
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        for name in _MODELS:
            _export(name, folder / "repository")
        _export("weather", folder / "next", version=2)
        flags = ("--poll-seconds", "1", "--max-backlog-seconds", "0.25")
        servers = [Served(folder / "repository", *flags) for _ in range(2)]
        for server in servers:
            ends.callback(server.end)
            with Client(server.address) as client:
                client.wait_until_serving(60)
        targets = {f"carousel-{i}": server.metrics for i, server in enumerate(servers)}
        prometheus = Prometheus(folder, {"carousel": targets})
        ends.callback(prometheus.end)
        # One request of ten is traced.
        trace.set_tracer_provider(TracerProvider(sampler=TraceIdRatioBased(0.1)))
        GrpcInstrumentorClient().instrument()
        began = time.time() + _BEFORE
        _live_through(servers, folder, lambda at: time.sleep(max(0.0, began + at - time.time())))
        run = Run(
            lambda target: prometheus.lately(asked(target), time.time() - began),
            lambda target: prometheus.exemplars(asked(target)),
            began,
            _LASTS,
        )
        draw(ROOT / "deploy/grafana/dashboard.json", run, PICTURE)


def _live_through(servers: list[Served], folder: Path, until: Callable[[float], None]) -> None:
    """Tell the story: traffic comes up, live sequences join, a burst is refused, a version follows another."""
    with ExitStack() as ends:

        def load(model: str, **how: float) -> list[Load]:
            loads = [Load(server, model, _MODELS[model][0], **how) for server in servers]
            for each in loads:
                ends.callback(each.end)
            return loads

        load("weather", clients=1, every=0.03)
        load("speech", clients=1, every=0.1, samples=2, median=30)
        until(15)
        for server, most in zip(servers, (60, 40), strict=True):
            ends.callback(Feeds(server, "speech", most).end)
        until(45)
        bursts = load("speech", clients=7, every=0.05, samples=16, median=150)
        bursts += load("speech", clients=2, every=0.05, samples=4, median=150, timeout=0.2)
        until(65)
        for burst in bursts:
            burst.end()
        until(80)
        (folder / "next/weather/2").rename(folder / "repository/weather/2")
        until(95)
        (folder / "repository/weather/3").mkdir()
        (folder / "repository/weather/3/saved_model.pb").write_bytes(b"half a model")
        until(_LASTS)


def _export(name: str, repository: Path, version: int = 1) -> None:
    input_dim, units = _MODELS[name]
    keras.utils.set_random_seed(version)
    lstms = [keras.layers.LSTM(each, return_sequences=True) for each in units[:-1]]
    layers = [keras.layers.Input((None, input_dim)), *lstms, keras.layers.LSTM(units[-1])]
    export(keras.Sequential(layers), repository, name, version)


if __name__ == "__main__":
    main()
