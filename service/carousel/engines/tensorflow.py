"""The reference engine: the SavedModel itself, on TensorFlow. Serves what has no cell graph."""

import contextlib
import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np

from carousel.artifact import ADVANCE, INPUTS, LAST_STEP, SEQUENCE, SERVING, Manifest, Signature, State
from carousel.engines.contract import Engine
from carousel.errors import ModelRejected
from carousel.tensors import Floats, Samples

_OUTPUTS = "outputs"


class TensorFlowEngine:
    """Runs a SavedModel: by its signature `advance` where it has states, else whole by `serving_default`."""

    name = "tensorflow"
    batch_invariant = False

    def __init__(self, version: Path, signature: Signature, manifest: Manifest | None = None, threads: int = 1) -> None:
        tf = _tensorflow(threads)
        try:
            self._saved = tf.saved_model.load(str(version))
        except Exception as error:  # TensorFlow's share no class below it, and all mean the same here
            raise ModelRejected(f"{version}: TensorFlow cannot load the SavedModel: {error}") from error
        self._constant = tf.constant
        self._states = () if manifest is None else manifest.states
        self.chunkable = bool(self._states)
        self._run = self._saved.signatures.get(ADVANCE if self._states else SERVING)
        if self._states:
            _check_states(version, self._run, self._states)
        self._answer = LAST_STEP if signature.sequence is None else SEQUENCE
        ends = list(itertools.accumulate(state.units for state in self._states))
        self._slices = [slice(end - state.units, end) for state, end in zip(self._states, ends, strict=True)]

    def run(self, inputs: Samples, state: Floats) -> tuple[Floats, Floats]:
        """Advance every row by every timestep; see `Engine.run`."""
        tensors = {INPUTS: self._constant(inputs.swapaxes(0, 1))}
        for spec, columns in zip(self._states, self._slices, strict=True):
            tensors[spec.name] = self._constant(state[:, columns])
        answers = self._run(**tensors)
        if not self._states:
            answer = answers[self._answer].numpy()
            return (answer[None] if self._answer == LAST_STEP else _time_major(answer)), state
        following = np.concatenate([answers[spec.name].numpy() for spec in self._states], axis=1)
        return _time_major(answers[_OUTPUTS].numpy()), following


def open_saved_model(version: Path, signature: Signature, manifest: Manifest | None, threads: int) -> Engine:
    """Open a SavedModel as it is. Raises ModelRejected where TensorFlow is missing or cannot load it."""
    return TensorFlowEngine(version, signature, manifest, threads)


def _time_major(sequence: Floats) -> Floats:
    return np.ascontiguousarray(sequence.swapaxes(0, 1))


def _tensorflow(threads: int) -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow as tf  # noqa: PLC0415 the base install has no TensorFlow
    except ImportError as error:
        raise ModelRejected(
            "TensorFlow is not installed; it serves what has no cell graph: pip install 'lstm-carousel[tensorflow]'"
        ) from error
    # Set once a process, before TensorFlow's first operation; a model loaded later runs with the same threads.
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    return tf


def _check_states(version: Path, advance: Any, states: tuple[State, ...]) -> None:
    if advance is None:
        raise ModelRejected(f"{version}: the manifest names states, but the SavedModel has no signature {ADVANCE!r}")
    takes = {name: spec.shape[-1] for name, spec in advance.structured_input_signature[1].items() if name != INPUTS}
    named = {state.name: state.units for state in states}
    if takes != named:
        raise ModelRejected(
            f"{version}: the manifest is not of this SavedModel: it names the states {named}, the signature "
            f"{ADVANCE!r} takes {takes}; export the model again"
        )
