"""The reference engine: the SavedModel itself, on TensorFlow. Serves what has no cell graph."""

import contextlib
import copy
import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from carousel.artifact import ADVANCE, INPUTS, LAST_STEP, SEQUENCE, Manifest, Signature, State
from carousel.engines.contract import Engine
from carousel.errors import ModelRejected
from carousel.tensors import Floats, Samples

_OUTPUTS = "outputs"


class TensorFlowEngine:
    """Runs a SavedModel: by its signature `advance` where it has states, else whole, by the signature that is served.

    TensorFlow's answers differ in their last bits with the rows that share a batch. So each row runs by itself, unless
    `share_batches` was called.

    Attributes:
        batch_invariant: Whether each row runs by itself.
    """

    name = "tensorflow"

    def __init__(self, version: Path, signature: Signature, manifest: Manifest | None = None, threads: int = 1) -> None:
        tf = _tensorflow(threads)
        try:
            self._saved = tf.saved_model.load(str(version))
        except Exception as error:  # TensorFlow's share no class below it, and all mean the same here
            raise ModelRejected(f"{version}: TensorFlow cannot load the SavedModel: {error}") from error
        self.batch_invariant = True
        self._constant = tf.constant
        self._signature = signature
        self._states = () if manifest is None else manifest.states
        self.chunkable = bool(self._states)
        self._run = self._saved.signatures.get(ADVANCE if self._states else signature.function)
        if self._states:
            _check_states(version, self._run, self._states)
        self._answer = LAST_STEP if signature.sequence is None else SEQUENCE
        ends = list(itertools.accumulate(state.units for state in self._states))
        self._slices = [slice(end - state.units, end) for state, end in zip(self._states, ends, strict=True)]

    def run(self, inputs: Samples, state: Floats) -> tuple[Floats, Floats]:
        """Advance every row by every timestep; see `Engine.run`."""
        run = (
            self._answer_declared if self._signature.foreign else self._advance if self._states else self._answer_whole
        )
        rows = inputs.shape[1]
        if rows == 1 or not self.batch_invariant:
            return run(inputs, state)
        each = [run(inputs[:, row : row + 1], state[row : row + 1]) for row in range(rows)]
        return np.concatenate([outputs for outputs, _ in each], axis=1), np.concatenate([after for _, after in each])

    def of(self, signature: Signature) -> Self:
        """Give another signature of the same SavedModel, one that others made, without loading it again."""
        other = copy.copy(self)
        other._signature, other._run = signature, self._saved.signatures[signature.function]  # noqa: SLF001 - its own
        return other

    def share_batches(self) -> bool:
        """Let rows share calls from now on, unless the model's batch is fixed; return whether they do."""
        self.batch_invariant = self._signature.foreign and self._signature.takes.batch is not None
        return not self.batch_invariant

    def _answer_declared(self, inputs: Samples, state: Floats) -> tuple[Floats, Floats]:
        """Run a SavedModel that was not exported here, by the names that its signature declares."""
        takes, gives, rows = self._signature.takes, self._signature.gives, inputs.shape[1]
        tensors = takes.split_batch([inputs[:, row] for row in range(rows)])
        if takes.batch is not None:  # filled with the one row
            tensors = {name: np.broadcast_to(rows_, (takes.batch, *rows_.shape[1:])) for name, rows_ in tensors.items()}
        answers = {name: answer.numpy() for name, answer in self._run(**self._constants(tensors)).items()}
        joined = [gives.join({name: answer[row] for name, answer in answers.items()}) for row in range(rows)]
        return np.stack(joined, axis=1), state

    def _answer_whole(self, inputs: Samples, state: Floats) -> tuple[Floats, Floats]:
        answer: Floats = self._run(**self._constants({INPUTS: inputs.swapaxes(0, 1)}))[self._answer].numpy()
        return (answer[np.newaxis] if self._answer == LAST_STEP else answer.swapaxes(0, 1)), state

    def _advance(self, inputs: Samples, state: Floats) -> tuple[Floats, Floats]:
        tensors = {INPUTS: inputs.swapaxes(0, 1)}
        for spec, columns in zip(self._states, self._slices, strict=True):
            tensors[spec.name] = state[:, columns]
        answers = self._run(**self._constants(tensors))
        following = np.concatenate([answers[spec.name].numpy() for spec in self._states], axis=1)
        return answers[_OUTPUTS].numpy().swapaxes(0, 1), following

    def _constants(self, tensors: Mapping[str, Samples]) -> dict[str, Any]:
        return {name: self._constant(tensor) for name, tensor in tensors.items()}


def open_saved_model(version: Path, signature: Signature, manifest: Manifest | None, threads: int) -> Engine:
    """Open a SavedModel as it is. Raises ModelRejected where TensorFlow is missing or cannot load it."""
    return TensorFlowEngine(version, signature, manifest, threads)


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
