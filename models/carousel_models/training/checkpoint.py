"""What a fit needs to go on where it was interrupted, as a file."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carousel_models.refusals import CheckpointRefused

Weights = list[NDArray[Any]]
"""The variables of a model or an optimizer, in Keras' order."""

VERSION = 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A fit after one of its epochs.

    Attributes:
        losses: The loss on the training and on the validation split after each epoch, without penalties.
        variables: Of the model: weights, scaling, and the states of its random generators.
        optimizer: The optimizer's own.
        best: The weights that early stopping would restore; empty where it has none.
        counts: Each stateful callback's numbers, in the order of the callbacks.
        stopped: Whether early stopping has ended the fit.
    """

    losses: list[tuple[float, float]]
    variables: Weights
    optimizer: Weights
    best: Weights
    counts: list[dict[str, float | int | None]]
    stopped: bool


def write_checkpoint(path: Path, identity: str, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` of the fit that `identity` names; the file is whole at every moment.

    The file is numpy's .npz without pickled objects: `variables_0`, ..., `optimizer_0`, ..., `best_0`, ..., and `rest`,
    a JSON text of everything else.
    """
    lists = {"variables": checkpoint.variables, "optimizer": checkpoint.optimizer, "best": checkpoint.best}
    rest = {
        "version": VERSION,
        "identity": identity,
        "losses": checkpoint.losses,
        "counts": checkpoint.counts,
        "stopped": checkpoint.stopped,
        "lengths": {name: len(arrays) for name, arrays in lists.items()},
    }
    arrays = {f"{name}_{i}": array for name, arrays in lists.items() for i, array in enumerate(arrays)}
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".partial")
    with aside.open("wb") as file:
        np.savez(file, allow_pickle=False, rest=np.array(json.dumps(rest)), **arrays)
    aside.replace(path)


def read_checkpoint(path: Path, identity: str) -> Checkpoint | None:
    """Read the checkpoint at `path`; None if there is none.

    Raises:
        CheckpointRefused: It cannot be read, or is not of the fit that `identity` names.
    """
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            rest = json.loads(str(file["rest"]))
            lists = {
                name: [file[f"{name}_{i}"] for i in range(length)] for name, length in rest.get("lengths", {}).items()
            }
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointRefused(f"{path}: is not a checkpoint ({error}): train without --resume") from error
    if rest.get("version") != VERSION or rest["identity"] != identity:
        raise CheckpointRefused(
            f"{path}: is a checkpoint of another recipe, other examples or another release: train without --resume to "
            "begin anew, or say another --output"
        )
    losses = [(loss, val_loss) for loss, val_loss in rest["losses"]]
    return Checkpoint(losses, counts=rest["counts"], stopped=rest["stopped"], **lists)
