"""Draws docs/page.png: the page, in a real browser, of a real server that answers calls.

`python -m docs.page` in the repository's root; needs what `make install tools` sets up.
"""

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
from playwright.sync_api import sync_playwright

from carousel.client import Client
from carousel.server import Server
from carousel.settings import Settings
from carousel_models.export import export

PICTURE = Path(__file__).with_suffix(".png")

_LASTS = 20.0  # seconds of calls before the picture is taken
_MODELS = {"weather": (4, (32,)), "speech": (64, (128, 256))}  # input_dim, and the units of each LSTM


def main() -> None:
    """Serve two models, call them, click through the page, and draw it."""
    keras.utils.set_random_seed(1)
    with tempfile.TemporaryDirectory() as folder, _served(Path(folder)) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        page.goto(f"http://127.0.0.1:{server.http_port}/")
        page.wait_for_selector("#served article")
        page.select_option("#model", "weather")
        page.click("#try button[type=submit]")
        page.click("#feed-all")
        _call(server)
        page.screenshot(path=PICTURE, full_page=True)
        browser.close()


@contextmanager
def _served(repository: Path) -> Iterator[Server]:
    for name, (input_dim, units) in _MODELS.items():
        layers = [keras.layers.LSTM(width, return_sequences=width != units[-1]) for width in units]
        export(
            keras.Sequential([keras.layers.Input((None, input_dim)), *layers, keras.layers.Dense(3)]), repository, name
        )
    loopback = {"host": "127.0.0.1", "port": 0, "http_host": "127.0.0.1", "http_port": 0}
    server, listening = Server(Settings(repository=repository, drain_notice_seconds=0, **loopback)), threading.Event()
    thread = threading.Thread(target=server.run, args=(listening.set,))
    thread.start()
    try:
        assert listening.wait(120)
        yield server
    finally:
        server.drain()
        thread.join(60)


def _call(server: Server) -> None:
    """Ask for sequences of many lengths, now more and now fewer at once."""
    chance, until = np.random.default_rng(1), time.monotonic() + _LASTS
    with Client(f"127.0.0.1:{server.port}") as client:
        while time.monotonic() < until:
            model = chance.choice([*_MODELS])
            count = int(1 + 12 * (1 + np.sin(time.monotonic() / 2)))
            lengths = chance.integers(1, 60, count)
            client.predict(model, [chance.standard_normal((n, _MODELS[model][0]), np.float32) for n in lengths])
            time.sleep(0.02)


if __name__ == "__main__":
    main()
