"""Carousel beside the servers that people would otherwise use: `python -m tests.benchmarks.peers`, `make bench-peers`.

A peer is a file here: what its environment holds, how it is started, its settings. What runs inside such an
environment is in `inside/`, and takes no more of this project than the protocol's messages. All are asked by one
generator, in turns, with the same bytes of the Open Inference Protocol; every answer is compared with the one known.
"""
