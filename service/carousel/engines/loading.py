"""What runs a model: one method, whoever does the arithmetic."""

from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from carousel.artifact.golden import TOLERANCE, Golden, disagreement, read_golden
from carousel.artifact.manifest import FOLDER, GOLDEN, PLAN, Manifest, fingerprint
from carousel.artifact.signature import Signature
from carousel.engines.onnx import OnnxEngine
from carousel.engines.tensorflow import TensorFlowEngine
from carousel.errors import ModelRejected
from carousel.tensors import Floats

Choice = Literal["auto", "onnx", "tensorflow"]

_ELSEWHERE = 2 * TOLERANCE
"""The plan was within TOLERANCE where it was exported; this machine's arithmetic may round otherwise."""


class Engine(Protocol):
    """Runs a chunk: some steps of some rows, from their states to their next states."""

    name: str
    """"onnx" or "tensorflow"."""

    def run(self, inputs: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Advance every row by every step.

        Args:
            inputs: float32 [steps, rows, input_dim], time-major, at least one step and one row.
            state: float32 [rows, state_width]; zeros where a sequence begins. Of a model that rides whole: [rows, 0].

        Returns:
            outputs: float32 [steps, rows, units]; [1, rows, units] where a model that rides whole gives only its last
                step. `outputs[-1]` is the last step. The caller owns them.
            state: float32 [rows, state_width], where the rows are now.
        """
        ...


def load_engine(
    version: Path, signature: Signature, manifest: Manifest | None, choice: Choice = "auto", threads: int = 1
) -> tuple[Engine, str]:
    """Load what will run the SavedModel in the folder `version`.

    The plan is used only if it was derived from this very SavedModel and reproduces its golden answers.

    Args:
        version: The version's folder.
        signature: What `read_signature` read there.
        manifest: What `read_manifest` read there.
        choice: "auto" takes the plan on ONNX Runtime, or TensorFlow where there is no plan to trust.
        threads: For one operation inside the engine.

    Returns:
        The engine, and why it is not ONNX Runtime's; "" where it is.

    Raises:
        ModelRejected: The engine asked for cannot serve this version, or none can.
    """
    because = "TensorFlow was asked for"
    if choice != "tensorflow":
        try:
            return _by_plan(version, manifest, threads), ""
        except ModelRejected as error:
            if choice == "onnx":
                raise
            because = error.message
    try:
        return TensorFlowEngine(version, signature, manifest, threads), because
    except ModelRejected as error:
        raise ModelRejected(f"{error.message} (not on ONNX Runtime: {because})") from error


def reproduces(engine: Engine, answers: tuple[Golden, ...], state_width: int, tolerance: float = TOLERANCE) -> str:
    """Say how `engine` fails to give the golden answers; "" where it gives them all."""
    for golden in answers:
        outputs, _ = engine.run(golden.inputs[:, None], np.zeros((1, state_width), np.float32))
        fault = disagreement(outputs[-1, 0], golden.last_step, tolerance)
        if not fault and golden.sequence is not None:
            fault = disagreement(outputs[:, 0], golden.sequence, tolerance)
        if fault:
            return f"of {len(golden.inputs)} timesteps, {fault}"
    return ""


def _by_plan(version: Path, manifest: Manifest | None, threads: int) -> Engine:
    if manifest is None:
        raise ModelRejected(f"{version}: has no manifest, so no plan; `carousel export` writes both")
    if not manifest.plan:
        raise ModelRejected(f"{version}: has no plan: {manifest.no_plan_because}")
    if manifest.fingerprint != fingerprint(version):
        raise ModelRejected(f"{version}: the plan was derived from another SavedModel; export this one again")
    answers = read_golden(version / FOLDER / GOLDEN)
    # ONNX Runtime's exceptions share no class below Exception, and all of them mean that this plan cannot be used.
    try:
        engine = OnnxEngine(version / FOLDER / PLAN, threads)
        fault = reproduces(engine, answers, manifest.state_width, _ELSEWHERE)
    except Exception as error:
        raise ModelRejected(f"{version}: the plan cannot be run: {error}") from error
    if fault:
        raise ModelRejected(f"{version}: the plan does not reproduce the golden answers: {fault}")
    return engine
