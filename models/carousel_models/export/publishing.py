"""A version appears in a repository whole or not at all, and stays as it is."""

import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from carousel_models.refusals import VersionExists


def publish(write: Callable[[Path], None], model: Path, version: int | None = None) -> Path:
    """Let `write` fill a hidden folder inside the folder `model`, then give it its place `model/version`.

    Args:
        write: Fills the empty folder it is given.
        model: The folder of all versions of one model; made if it is missing.
        version: One more than the highest there is where it is None.

    Returns:
        The version's folder, on disk before this returns.

    Raises:
        VersionExists: That version is there already.
    """
    if version is not None and (model / str(version)).exists():
        raise VersionExists(f"{model / str(version)}: exists already, and a version is never overwritten")
    missing = [folder for folder in (model, *model.parents) if not folder.exists()]
    model.mkdir(parents=True, exist_ok=True)
    # In the same folder, so that the renaming is one step; hidden, so that no server takes it for a version.
    unfinished = model / f".unfinished-{secrets.token_hex(4)}"
    try:
        unfinished.mkdir()
        write(unfinished)
        for path in [*unfinished.rglob("*"), unfinished]:
            _sync(path)
        published = _rename(unfinished, model, version)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        for folder in missing:  # empty only where nothing was published
            with suppress(OSError):
                folder.rmdir()
    _sync(model)
    return published


def _rename(unfinished: Path, model: Path, version: int | None) -> Path:
    while True:
        place = model / str(_next(model) if version is None else version)
        try:
            # A folder that is not empty is never replaced: the system refuses.
            return unfinished.rename(place)
        except OSError as error:
            if not place.exists():
                raise
            if version is not None:
                raise VersionExists(f"{place}: exists already, and a version is never overwritten") from error


def _next(model: Path) -> int:
    return max((int(path.name) for path in model.iterdir() if path.name.isdecimal()), default=0) + 1


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
