"""Carousel itself, with one worker process and with two."""

import sys
from pathlib import Path

from tests.benchmarks.peers.peer import Launch, Peer
from tests.benchmarks.peers.workloads import models
from tests.benchmarks.workloads import gathered


def _peer(workers: int) -> Peer:
    def launch(_folder: Path, port: int) -> Launch:
        repository = gathered("peers", models())
        return Launch(
            (
                *(sys.executable, "-m", "carousel", "serve", "--repository", str(repository), "--engine", "onnx"),
                *("--host", "127.0.0.1", "--port", str(port), "--http-host", "127.0.0.1", "--http-port", "0"),
                *("--drain-notice-seconds", "0", "--drain-seconds", "2", "--workers", str(workers)),
                *("--log-level", "error"),
            )
        )

    # A live sequence belongs to the process that began it, and eight connections may be those of two.
    return Peer(
        name="Carousel" if workers == 1 else f"Carousel, {workers} workers",
        settings=f"workers = {workers}, engine = onnx, log_level = error; all else by default",
        environment=None,
        launch=launch,
        workloads=("A", "B", "C", "live"),
    )


PEERS = [_peer(1), _peer(2)]
