"""A model driven in this process: submit, turn until nobody is left. No sockets."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

from carousel.batching import Admission, Sequence
from carousel.engines import Engine
from carousel.serving import Model, Version, load_version
from carousel.tensors import Floats


def modelled(version: Path | Version, engine: Engine | None = None) -> Model:
    """Turn a version on its engine, or on `engine` in its place."""
    if isinstance(version, Path):
        version = load_version(version, "onnx")
    if engine is not None:
        version = dataclasses.replace(version, engine=engine)
    return Model(version, Admission(math.inf), post=_nobody)


def ride(model: Model, sequences: list[Floats], done: Callable[[Sequence], None] = lambda _: None) -> None:
    """Let all step on at once and turn until the last stepped off."""
    model.submit([Sequence(steps, done) for steps in sequences])
    while model.busy:
        model.turn()


def _nobody(_function: Callable[[], None]) -> None:
    raise AssertionError("a tick was to run on a thread of its own; these models' ticks are short")
