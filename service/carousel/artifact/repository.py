"""Versions on disk: `<repository>/<name>/<version>/saved_model.pb`, TensorFlow Serving's own layout."""

import os
from dataclasses import dataclass, field
from pathlib import Path

MAX_VERSION = 2**63 - 1
"""The largest version: the protocols carry int64."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """One model's folder as it was read.

    Attributes:
        identity: Device and inode: another folder in its place, as after an unmount, has another.
        present: Every version there is, those that are still being copied or removed among them.
        complete: Those that hold a saved_model.pb, oldest first.
    """

    identity: tuple[int, int]
    present: frozenset[int]
    complete: tuple[int, ...]


@dataclass(slots=True)
class Listing:
    """What reading a repository gave.

    Attributes:
        identity: Device and inode of the repository; None where it cannot be read.
        models: Every model folder that could be read, by name.
        unreadable: Each folder that could not be read, and why. What is in it is not known.
        refused: Each folder that is a version by its name but cannot be one, and why.
    """

    identity: tuple[int, int] | None = None
    models: dict[str, ModelFolder] = field(default_factory=dict)
    unreadable: dict[Path, str] = field(default_factory=dict)
    refused: dict[Path, str] = field(default_factory=dict)


def read_repository(repository: Path) -> Listing:
    """List every model and its versions. Raises nothing: what cannot be read is said in the listing.

    A version is a folder whose name is a positive number; one that is still being written may stand under another name
    until it is whole. Hidden folders, as those of mounts and of version control, are no models.
    """
    listing = Listing()
    try:
        listing.identity = _identity(repository)
        entries = sorted(os.listdir(repository))  # noqa: PTH208 - names, not paths
    except OSError as error:
        listing.identity = None
        listing.unreadable[repository] = _why(error)
        return listing
    for name in entries:
        folder = repository / name
        if name.startswith("."):
            continue
        try:
            name.encode()
            if not folder.is_dir() and not folder.is_symlink():
                continue
            listing.models[name] = _read_model(folder, listing.refused)
        except OSError as error:
            listing.unreadable[folder] = _why(error)
        except UnicodeEncodeError:
            listing.refused[folder] = "its name is not UTF-8"
    return listing


def versions(repository: Path) -> dict[str, list[int]]:
    """List the complete versions of every model, oldest first. A repository that is not there yet is empty."""
    models = read_repository(repository).models.items()
    return {name: list(folder.complete) for name, folder in models if folder.complete}


def _read_model(folder: Path, refused: dict[Path, str]) -> ModelFolder:
    identity = _identity(folder)
    present: set[int] = set()
    complete: set[int] = set()
    for name in os.listdir(folder):  # noqa: PTH208 - as above
        if not (name.isascii() and name.isdigit()) or name.startswith("0"):
            continue
        if len(name) > len(str(MAX_VERSION)) or int(name) > MAX_VERSION:
            refused[folder / name[:40]] = f"the largest version is {MAX_VERSION}"
            continue
        present.add(int(name))
        try:
            (folder / name / "saved_model.pb").lstat()
        except OSError:  # still being copied, or being removed: loading one that is whole says more
            continue
        complete.add(int(name))
    return ModelFolder(identity, frozenset(present), tuple(sorted(complete)))


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _why(error: OSError) -> str:
    return error.strerror or str(error)
