"""What `carousel explain` does: from a model's file and a sequence to pictures of its gates."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carousel.tensors import Samples
from carousel_models.export import packed, read
from carousel_models.refusals import ExplainRefused
from carousel_models.report.gates import gates_in
from carousel_models.report.heat_maps import draw_gates


def explain(
    model_path: Path,
    sequence: Samples,
    folder: Path,
    *,
    custom_objects: Mapping[str, Any] | None = None,
    unsafe_lambda: bool = False,
) -> list[Path]:
    """Draw the gates and states of each LSTM over one sequence, a PNG file each, named after the layers.

    Args:
        model_path: A .keras or .h5 file, or the folder of a SavedModel.
        sequence: What the model reads: float32 [timesteps, input_dim], or tokens [timesteps].
        folder: Where the pictures go; made if it is missing.
        custom_objects: Layers and functions that are not Keras' own, by name.
        unsafe_lambda: Whether the code that Lambda layers keep in the file may be run.

    Raises:
        ExportRefused: The file cannot be read.
        ExplainRefused: The model has no LSTM, or does not take that sequence.
    """
    model, _, _ = packed(read(model_path, custom_objects, unsafe_lambda=unsafe_lambda))
    shape, taken = tuple(model.inputs[0].shape[1:]), sequence.shape
    if len(taken) != len(shape) or any(side not in {None, own} for side, own in zip(shape, taken, strict=True)):
        raise ExplainRefused(
            f"the sequence is {_written(taken)}, and {model_path} takes {_written(shape)}: give one of that shape"
        )
    if not (found := gates_in(model, sequence)):
        raise ExplainRefused(f"{model_path}: has no LSTM: there are no gates to draw")
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, gates in enumerate(found):
        path = folder / f"{number}_{re.sub(r'[^A-Za-z0-9]+', '_', gates.layer)}.png"
        draw_gates(gates).savefig(path)
        paths.append(path)
    return paths


def _written(shape: tuple[int | None, ...]) -> str:
    return "[" + ", ".join("timesteps" if side is None else str(side) for side in shape) + "]"
