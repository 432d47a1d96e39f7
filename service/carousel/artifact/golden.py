"""Golden answers: sequences and what Keras answered to them at export. Who serves the model must answer the same."""

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carousel.errors import ModelRejected
from carousel.tensors import Floats, Samples

TOLERANCE = 1e-5
"""How far an answer may be from Keras', as a share of the tensor's largest value or of 1, whichever is larger."""


@dataclass(frozen=True, slots=True)
class Golden:
    """One sequence with its answers.

    Attributes:
        inputs: One sequence as the signature has it: float32 [timesteps, input_dim], or tokens [timesteps].
        sequence: float32 [timesteps, units]; None where the model gives no sequence.
        last_step: float32 [units].
    """

    inputs: Samples
    sequence: Floats | None
    last_step: Floats


def write_golden(path: Path, answers: Iterable[Golden]) -> None:
    """Write golden answers to the .npz file `path`."""
    arrays: dict[str, Samples] = {}
    for i, golden in enumerate(answers):
        arrays[f"inputs_{i}"] = golden.inputs
        arrays[f"last_step_{i}"] = golden.last_step
        if golden.sequence is not None:
            arrays[f"sequence_{i}"] = golden.sequence
    np.savez(path, allow_pickle=False, **arrays)


def read_golden(path: Path) -> tuple[Golden, ...]:
    """Read the golden answers in the .npz file `path`.

    Raises:
        ModelRejected: The file is missing, damaged or holds no answer.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            count = sum(name.startswith("inputs_") for name in arrays)
            answers = tuple(
                Golden(
                    arrays[f"inputs_{i}"],
                    arrays.get(f"sequence_{i}"),
                    arrays[f"last_step_{i}"],
                )
                for i in range(count)
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ModelRejected(f"{path}: golden answers cannot be read: {error}") from error
    if not answers:
        raise ModelRejected(f"{path}: holds no golden answers")
    return answers


def distance(answer: Floats, expected: Floats) -> float:
    """Give max|answer - expected| as a share of max(1, max|expected|): what `disagreement` holds to its tolerance."""
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    return float(np.abs(answer.astype(np.float64) - expected).max(initial=0.0)) / scale


def disagreement(answer: Floats, expected: Floats, tolerance: float = TOLERANCE) -> str:
    """Say where `answer` is too far from `expected`; "" where it is near enough.

    Near enough is max|answer - expected| <= tolerance * max(1, max|expected|). The largest value of the tensor is the
    measure, because a sum that cancels to nearly nothing carries the rounding of its large terms.
    """
    if answer.shape != expected.shape:
        return f"the shape is {list(answer.shape)}, expected {list(expected.shape)}"
    # A NaN compares false with everything, so ask for what is good instead of what is bad.
    distance = np.abs(answer.astype(np.float64) - expected)
    limit = tolerance * max(1.0, float(np.abs(expected).max()))
    if bool((distance <= limit).all()):
        return ""
    worst = np.unravel_index(int(np.nan_to_num(distance, nan=np.inf).argmax()), distance.shape)
    at = ", ".join(map(str, worst))
    return f"element [{at}] is {answer[worst]!s}, expected {expected[worst]!s} within {limit:.1e}"
