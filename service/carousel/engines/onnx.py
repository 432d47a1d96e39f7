"""The preferred engine: a version's ONNX cell graph, on ONNX Runtime."""

import hashlib
import os
from pathlib import Path

# Imported, ONNX Runtime's packages for Linux keep an identifier in the home folder and report to their maker.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

from carousel.artifact import CELL_GRAPH, FOLDER, GOLDEN, TOLERANCE, Manifest, Signature, fingerprint, read_golden
from carousel.engines.contract import Engine
from carousel.engines.reproduction import reproduces
from carousel.errors import ModelRejected
from carousel.tensors import Floats, Samples

_STATE = "state"
_OUTPUTS = ("outputs", "next_state")

_ELSEWHERE = 2 * TOLERANCE
"""The graph was within TOLERANCE where it was exported; this machine's arithmetic may round otherwise."""


class OnnxEngine:
    """Runs a cell graph, stepwise or whole, read from a file or from its bytes."""

    name = "onnx"
    batch_invariant = True

    def __init__(self, graph: Path | bytes, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Worker processes share the machine: a thread that spins while it waits takes a core from another.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        source = graph if isinstance(graph, bytes) else str(graph)
        self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        # A whole graph has no state to take or give.
        self.chunkable = any(given.name == _STATE for given in self._session.get_inputs())

    def run(self, inputs: Samples, state: Floats) -> tuple[Floats, Floats]:
        """Advance every row by every timestep; see `Engine.run`."""
        if not self.chunkable:
            (outputs,) = self._session.run(_OUTPUTS[:1], {"inputs": inputs})
            return outputs, state
        outputs, following = self._session.run(_OUTPUTS, {"inputs": inputs, _STATE: state})
        return outputs, following


def open_cell_graph(version: Path, _signature: Signature, manifest: Manifest | None, threads: int) -> Engine:
    """Open the cell graph beside a SavedModel, if it was derived from this very one and gives its golden answers.

    Raises:
        ModelRejected: There is no such graph, or it cannot be trusted; the message says why.
    """
    if manifest is None:
        raise ModelRejected(f"{version}: has no manifest, so no cell graph; `carousel export` writes both")
    if not manifest.cell_graph:
        raise ModelRejected(f"{version}: has no cell graph: {manifest.not_lowered_because}")
    if manifest.fingerprint != fingerprint(version):
        raise ModelRejected(f"{version}: the cell graph was derived from another SavedModel; export this one again")
    graph = version / FOLDER / CELL_GRAPH
    _refuse_other_file(graph, manifest.cell_graph_sha256)
    answers = read_golden(version / FOLDER / GOLDEN)
    # ONNX Runtime's exceptions share no class below Exception, and all of them mean that this graph cannot be used.
    try:
        engine = OnnxEngine(graph, threads)
        fault = reproduces(engine, answers, manifest.state_width, _ELSEWHERE)
    except Exception as error:
        raise ModelRejected(f"{version}: the cell graph cannot be run: {error}") from error
    if fault:
        raise ModelRejected(f"{version}: the cell graph does not give the golden answers: {fault}")
    return engine


def _refuse_other_file(graph: Path, expected: str) -> None:
    """Refuse a cell graph that is not the file its manifest names. Golden answers cannot tell every other one."""
    if not expected:
        return  # exported before manifests kept it
    try:
        with graph.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelRejected(f"{graph}: the cell graph cannot be read: {error.strerror}") from error
    if found != expected:
        raise ModelRejected(
            f"{graph}: is not the cell graph that the manifest names: its SHA-256 is {found}, expected {expected}; "
            "copy or export the version again"
        )
