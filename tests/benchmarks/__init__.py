"""Measurements of Carousel on the machine at hand: `python -m tests.benchmarks [names]`, or `make bench`.

Every figure is a ratio inside one run, its sides taken in turns, so that a busy neighbour slows both. Nothing is
asserted: each figure stands beside its target in build/bench/table.md, with the machine's name.
"""
