"""The fast engine: a version's plan, the ONNX cell graph, on ONNX Runtime."""

import os
from pathlib import Path

# Imported, ONNX Runtime's packages for Linux keep an identifier in the home folder and report to their maker.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

from carousel.tensors import Floats

_OUTPUTS = ("outputs", "next_state")


class OnnxEngine:
    """Runs a plan, read from a file or from its bytes."""

    name = "onnx"

    def __init__(self, plan: Path | bytes, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Worker processes share the machine: a thread that spins while it waits takes a core from another.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        source = plan if isinstance(plan, bytes) else str(plan)
        self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])

    def run(self, inputs: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Advance every row by every step; see `Engine.run`."""
        outputs, following = self._session.run(_OUTPUTS, {"inputs": inputs, "state": state})
        return outputs, following
