"""A version in one's own process: for notebooks, tests and batch jobs."""

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from carousel.artifact import Signature, versions
from carousel.batching import Scheduler, Sequence
from carousel.engines import Choice
from carousel.errors import InvalidRequest, ModelRejected, NotStateful, Violation
from carousel.serving import Limits, Version, check, load_version
from carousel.tensors import Floats, Samples

_AHEAD = 4
"""Sequences that are taken beforehand, for each row of a batch: enough to choose well among."""


def load(folder: str | Path, *, engine: Choice = "auto", threads: int = 1) -> "LocalModel":
    """Load a version, as a server would: by its golden answers, its engine and its measured costs.

        model = carousel.load("models/repository/weather/1")
        answers = model.predict([np.random.rand(30, 4), np.random.rand(7, 4)])

    Args:
        folder: `<repository>/<name>/<version>`, or `<repository>/<name>` for the newest version there.
        engine: The engine to use, or "auto": ONNX where the model's cell graph can be trusted.
        threads: For one operation inside the engine.

    Returns:
        The version, ready to answer.

    Raises:
        ModelRejected: It cannot be served; the message says why and what to do.
    """
    found = Path(folder).resolve()
    if not (found / "saved_model.pb").exists():
        numbers = versions(found.parent).get(found.name, []) if found.is_dir() else []
        if not numbers:
            raise ModelRejected(f"{folder}: expected the folder of a version, with saved_model.pb, or of a model")
        found /= str(max(numbers))
    if not found.name.isdigit():
        raise ModelRejected(f"{folder}: expected <repository>/<name>/<version>, the version a number")
    return LocalModel(load_version(found, engine, threads))


class LocalModel:
    """A version that answers here. Several threads may use one at once.

    Attributes:
        version: What was loaded.
    """

    def __init__(self, version: Version) -> None:
        """Answer by `version`."""
        self.version = version
        self._limits = Limits(timesteps=sys.maxsize)

    @property
    def signature(self) -> Signature:
        """What it takes and gives."""
        return self.version.signature

    def predict(self, sequences: Iterable[ArrayLike], *, return_sequences: bool = False) -> list[Floats]:
        """Run whole sequences, each of its own length; nothing is padded.

        Args:
            sequences: Each float32 [timesteps, input_dim], or whole numbers [timesteps] for tokens.
            return_sequences: Whether every timestep's output is wanted, or the last one's alone.

        Returns:
            For each sequence, in order, float32 [units], or [timesteps, units] with `return_sequences`: bit for bit
            what the sequence would get alone.

        Raises:
            InvalidRequest: A sequence does not suit the model; names each fault.
        """
        answers = dict(self.run(sequences, return_sequences=return_sequences))
        return [answers[i] for i in range(len(answers))]

    def run(self, sequences: Iterable[ArrayLike], *, return_sequences: bool = False) -> Iterator[tuple[int, Floats]]:
        """Do as `predict` for as many sequences as there are, in bounded memory.

        They are taken as they are needed, and each answer comes with its sequence's place, from 0, as soon as it is
        done: the short ones first.

        Args:
            sequences: As `predict` takes them.
            return_sequences: As `predict` takes it.

        Yields:
            A sequence's place, and its output: float32 [units], or [timesteps, units] with `return_sequences`.

        Raises:
            InvalidRequest: A sequence does not suit the model; names each fault. Those before it may be answered.
        """
        version, signature = self.version, self.version.signature
        if return_sequences and signature.sequence is None:
            raise _refused("return_sequences", "the model gives no output for every timestep")
        scheduler = Scheduler(version.costs, version.state_width, whole=not version.states)
        coming, ahead = enumerate(sequences), _AHEAD * version.costs.max_rows
        places: dict[Sequence, int] = {}
        more = True
        while True:
            while more and scheduler.live < ahead:
                place, given = next(coming, (-1, None))
                more = given is not None
                if given is not None:
                    sequence = Sequence(
                        self._samples(place, given),
                        _ignore,
                        return_sequences=return_sequences,
                        mask_value=signature.mask_value,
                    )
                    places[sequence] = place
                    scheduler.add(sequence, time.monotonic())
            batch = scheduler.schedule(time.monotonic())
            if batch is None:
                return
            outputs, state = version.engine.run(batch.inputs(), batch.state)
            scheduler.complete(batch, outputs, state, time.monotonic())
            for sequence in scheduler.ended():
                assert sequence.output is not None
                yield places.pop(sequence), sequence.output

    def advance(self, steps: ArrayLike, state: Floats | None = None) -> tuple[Floats, Floats]:
        """Run some timesteps of one sequence that goes on.

        Args:
            steps: float32 [timesteps, input_dim], or whole numbers [timesteps] for tokens.
            state: float32 [state_width], what the call before gave; None for the beginning.

        Returns:
            Every timestep's output, float32 [timesteps, units], and the state after them.

        Raises:
            NotStateful: The model cannot be cut in time.
            InvalidRequest: The timesteps do not suit the model.
        """
        version = self.version
        if not version.states:
            raise NotStateful(f"{version.name} cannot be cut in time, so it has no states")
        samples = self._samples(0, steps)
        row = np.zeros((1, version.state_width), np.float32) if state is None else state[np.newaxis]
        most, outputs = version.costs.tick_steps(1), []
        for begin in range(0, len(samples), most):
            given, row = version.engine.run(samples[begin : begin + most, np.newaxis], row)
            outputs.append(given[:, 0])
        return np.concatenate(outputs), row[0]

    def _samples(self, place: int, given: ArrayLike) -> Samples:
        """Check one sequence, and give it the model's own dtype."""
        signature = self.signature
        array = np.asarray(given)
        if signature.features or array.dtype.kind in "iu":
            array = array.astype(signature.dtype, copy=False)
        else:
            raise _refused(f"sequences[{place}].dtype", f"is {array.dtype}, expected whole numbers: tokens")
        if faults := check([array], lambda _, part: f"sequences[{place}].{part}", signature, self._limits):
            raise InvalidRequest(tuple(faults))
        return array


def _refused(field: str, found: str) -> InvalidRequest:
    return InvalidRequest((Violation(field, found),))


def _ignore(_sequence: Sequence) -> None:
    """Take no notice: whoever runs the scheduler asks it what has ended."""
