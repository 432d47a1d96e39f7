"""The files of a version, seen from outside: what may be read at all, and whether it stands still or has changed."""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from carousel.artifact.manifest import CELL_GRAPH, GOLDEN
from carousel.artifact.signature import FOLDER, MANIFEST
from carousel.errors import ModelRejected

_MAX_FILES = 10_000
_MAX_DEPTH = 16
_PROTOBUF = 2**31 - 1  # the largest message there can be
_MAX_BYTES = {
    "saved_model.pb": _PROTOBUF,
    "fingerprint.pb": 1 << 20,
    f"{FOLDER}/{MANIFEST}": 16 << 20,
    f"{FOLDER}/{CELL_GRAPH}": _PROTOBUF,
    f"{FOLDER}/{GOLDEN}": 1 << 30,
}


@dataclass(frozen=True, slots=True)
class Survey:
    """Every file of a version, by its outside alone; two that are equal found the same files, untouched.

    Attributes:
        files: Path in the version, inode, size in bytes, mtime and ctime in nanoseconds, in order.
    """

    files: tuple[tuple[str, int, int, int, int], ...]

    @property
    def newest(self) -> float:
        """When a file was last changed, in seconds since 1970. A copy may keep mtime, but not ctime."""
        return max((max(mtime, ctime) for *_, mtime, ctime in self.files), default=0) / 1e9


def survey(version: Path) -> Survey:
    """Look at every file in the folder `version`, and open none.

    Raises:
        ModelRejected: There is what no version holds: a pipe, a device, a loop of links, a file too large to be what
            its name says, too many files; or a file cannot be looked at.
    """
    files: list[tuple[str, int, int, int, int]] = []
    try:
        _walk(version, version, (), files)
    except OSError as error:
        raise ModelRejected(f"{error.filename or version}: cannot be read: {error.strerror}") from error
    return Survey(tuple(files))


def digest(version: Path, found: Survey) -> str:
    """Identify the content of all files of a version that was surveyed: SHA-256, in hexadecimal.

    Raises:
        ModelRejected: A file cannot be read.
    """
    whole = hashlib.sha256()
    try:
        for name, _, size, *_ in found.files:
            whole.update(f"{name} {size}\n".encode("utf-8", "surrogateescape"))
            with (version / name).open("rb") as file:
                while block := file.read(1 << 20):
                    whole.update(block)
    except OSError as error:
        raise ModelRejected(f"{error.filename or version}: cannot be read: {error.strerror}") from error
    return whole.hexdigest()


def _walk(
    version: Path, folder: Path, above: tuple[tuple[int, int], ...], files: list[tuple[str, int, int, int, int]]
) -> None:
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above or len(above) > _MAX_DEPTH:
        raise ModelRejected(f"{folder}: is a loop of links, or deeper than {_MAX_DEPTH} folders")
    for name in sorted(os.listdir(folder)):  # noqa: PTH208 - names, not paths
        path = folder / name
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            _walk(version, path, (*above, here), files)
            continue
        inside = str(path.relative_to(version))
        if not stat.S_ISREG(status.st_mode):
            raise ModelRejected(f"{path}: is a {_KINDS.get(stat.S_IFMT(status.st_mode), 'special file')}, not a file")
        if status.st_size > _MAX_BYTES.get(inside, status.st_size):
            raise ModelRejected(f"{path}: has {status.st_size} bytes, expected at most {_MAX_BYTES[inside]}")
        files.append((inside, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
        if len(files) > _MAX_FILES:
            raise ModelRejected(f"{version}: holds more than {_MAX_FILES} files")


_KINDS = {stat.S_IFIFO: "pipe", stat.S_IFCHR: "device", stat.S_IFBLK: "device", stat.S_IFSOCK: "socket"}
