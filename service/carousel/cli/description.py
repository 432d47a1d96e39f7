"""A version on disk in words: what it takes and gives, what runs it, how exactly and how fast."""

from pathlib import Path
from typing import Any

import numpy as np

EQUAL_BITS = {True: "yes", False: "NO", None: "not promised: rows share TensorFlow's calls (tensorflow_batches)"}


def describe(folder: Path) -> list[str]:
    """Load, check and measure the version in `folder`, REPOSITORY/NAME/N, and say what it is, a line each.

    Raises:
        ModelRejected: It cannot be served.
    """
    from carousel.artifact import read_manifest  # noqa: PLC0415 - the engine takes a moment to import
    from carousel.serving import load_version  # noqa: PLC0415 - as above

    folder = folder.resolve()
    version = load_version(folder)
    manifest = read_manifest(folder)
    signature = version.signature
    because = f" ({version.not_preferred_because})" if version.not_preferred_because else ""
    rows = version.costs.rows
    alone, together = version.costs.step_seconds(1), version.costs.step_seconds(rows) / rows
    return [
        f"{version.name} version {version.number}",
        *(f"takes        {spec}" for spec in signature.served_inputs),
        *(f"gives        {spec}" for spec in signature.served_outputs),
        f"send         {_to_send(signature)}",
        *_kind(version, manifest),
        f"states       {', '.join(f'{s.name} [{s.units}]' for s in version.states) or 'none'}",
        f"engine       {version.engine.name}{because}",
        f"equal bits   {EQUAL_BITS[version.batch_invariant]}",
        f"worst error  {_worst_error(folder, version)}",
        f"a timestep   {1e6 * alone:.2g} us alone, {1e6 * together:.2g} us a row with {rows} rows, on this machine",
        f"fingerprint  {version.fingerprint}",
    ]


def _to_send(signature: Any) -> str:
    """Say what a client sends for one sequence, by the author's names."""
    columns = signature.takes.columns
    parts = []
    for column in columns:
        steps = ["timesteps" if signature.timesteps is None else signature.timesteps] if column.timewise else []
        shape = ", ".join(map(str, [*steps, *column.features]))
        parts.append(f"{column.spec.name} {column.spec.dtype} [{shape}]")
    most = "" if signature.vocabulary is None else f", tokens from 0 to {signature.vocabulary - 1}"
    least = f", {signature.min_timesteps} or more timesteps" if signature.min_timesteps > 1 else ", of any length"
    least = least if signature.timesteps is None else ""
    return f"{' and '.join(parts)}{most}{least}"


def _kind(version: Any, manifest: Any) -> list[str]:
    steps = version.signature.timesteps
    slides = f"slides: each new timestep is answered as Predict would answer the last {steps or 'so many'}"
    if version.states:
        live = "yes, by its states" if steps is None else f"yes, and {slides}"
        lines = ["kind         stepwise: sequences of all lengths share its batches", f"live         {live}"]
        if version.signature.mask_value is not None:
            lines.append(f"masked       timesteps of {version.signature.mask_value:g} are left out, and cost nothing")
        return lines
    because = manifest.not_stepwise_because if manifest is not None else "it was not exported by Carousel"
    live = f"only as a window that {slides}"
    return [f"kind         whole: {because}", f"live         {live}"]


def _worst_error(folder: Path, version: Any) -> str:
    from carousel.artifact import FOLDER, GOLDEN, distance, read_golden  # noqa: PLC0415 - as above

    if not (path := folder / FOLDER / GOLDEN).exists():
        return "not known: it has no golden answers"
    worst = 0.0
    answers = read_golden(path)
    for golden in answers:
        outputs, _ = version.engine.run(golden.inputs[:, None], np.zeros((1, version.state_width), np.float32))
        expected = golden.last_step if golden.sequence is None else golden.sequence
        worst = max(worst, distance(outputs[-1, 0] if golden.sequence is None else outputs[:, 0], expected))
    lengths = ", ".join(str(len(golden.inputs)) for golden in answers)
    return f"{worst:.1e} of the largest answer, or of 1, over {lengths} timesteps"
