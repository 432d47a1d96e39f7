"""Measure Carousel and all peers that can be had on this machine, or those whose names contain a word given."""

import argparse
import signal
import sys

from tests.benchmarks.peers import carousel, grpc_aio, kserve, mlserver, model_predict, triton, triton_tensorflow
from tests.benchmarks.peers.page import PAGE, page
from tests.benchmarks.peers.rounds import measure
from tests.benchmarks.peers.table import read, tables, write
from tests.benchmarks.report import say

PEERS = [
    peer
    for room in (carousel, triton, grpc_aio, model_predict, mlserver, kserve, triton_tensorflow)
    for peer in room.PEERS
]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="NAME", help="a part of a peer's name, as triton; all, if none")
    parser.add_argument("--starts", type=int, default=3, help="of each server, to time its first answer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument(
        "--write-docs", action="store_true", help="write docs/benchmarks.md of the last run; run nothing"
    )
    asked = parser.parse_args()
    if asked.write_docs:
        PAGE.write_text(page(read(), (peer.name for peer in PEERS)))
        return 0
    chosen = [
        peer for peer in PEERS if not asked.words or any(word.lower() in peer.name.lower() for word in asked.words)
    ]
    if not chosen:
        say("peers", f"none is called so; there are {', '.join(peer.name for peer in PEERS)}")
        return 2
    for peer in chosen:
        say("peers", f"{peer.name}: {peer.settings}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # and the servers with it
    write(measure(chosen, asked.starts, asked.rounds, asked.seconds))
    sys.stdout.write(tables(read()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
