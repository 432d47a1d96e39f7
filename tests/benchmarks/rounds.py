"""A server that times its loop: `python -m tests.benchmarks.rounds REPOSITORY`.

Prints its ports as `carousel serve` does, and on SIGTERM how long the rounds lasted that began with work: the median,
the 99.9th percentile and the longest, in milliseconds.
"""

import sys
import time

import numpy as np

from carousel.server import Server
from carousel.settings import Settings


def main(repository: str) -> None:
    loopback = {"host": "127.0.0.1", "port": 0, "http_host": "127.0.0.1", "http_port": 0}
    server = Server(Settings(repository=repository, engine="onnx", drain_notice_seconds=0, drain_seconds=2, **loopback))
    loop = server._loop
    round_, lasted = loop.round, []

    def timed() -> None:
        busy = bool(loop._turning)
        began = time.perf_counter()
        round_()
        if busy:
            lasted.append(time.perf_counter() - began)

    loop.round = timed
    server.drain_on_signals()
    sys.stdout.write(f"gRPC on 127.0.0.1:{server.port}, metrics on http://127.0.0.1:{server.http_port}/metrics\n")
    sys.stdout.flush()
    server.run()
    sys.stdout.write(" ".join(f"{1e3 * each:.3f}" for each in np.percentile(lasted, (50, 99.9, 100))) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
