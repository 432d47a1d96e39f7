"""A Python environment of a peer's own, below build/peers/: none of the peers is a dependency of this project."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "build" / "peers"

_UV = Path(sys.executable).parent / "uv"

DEBIAN = "/usr/bin/python3"
"""Debian's own Python: Triton's Python backend runs with no other build of it."""


class CannotRun(Exception):
    """A peer cannot be measured on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Packages at pinned versions.

    Attributes:
        name: Of its folder.
        packages: As pip knows them, each with its version.
        interpreter: The Python that it is made from.
    """

    name: str
    packages: tuple[str, ...]
    interpreter: str = sys.executable

    @property
    def folder(self) -> Path:
        return FOLDER / self.name / "environment"

    @property
    def python(self) -> str:
        """The environment's own Python."""
        return str(self.folder / "bin" / "python")

    @property
    def site_packages(self) -> Path:
        [path] = self.folder.glob("lib/python3*/site-packages")
        return path

    def install(self) -> None:
        """Make it, unless it is there with these very packages.

        Raises:
            CannotRun: The Python is not here, or a package could not be installed.
        """
        wanted = "\n".join((self.interpreter, *self.packages))
        stamp = self.folder / "installed"
        if stamp.exists() and stamp.read_text() == wanted:
            return
        if shutil.which(self.interpreter) is None:
            raise CannotRun(f"there is no {self.interpreter}")
        self._run([_UV, "venv", "--quiet", "--clear", "--python", self.interpreter, self.folder])
        self._run([_UV, "pip", "install", "--quiet", *self.packages])
        stamp.write_text(wanted)

    def installed_megabytes(self) -> float:
        """What its files take on the disk."""
        return sum(path.lstat().st_size for path in self.folder.rglob("*") if not path.is_dir()) / 1e6

    def frozen(self) -> list[str]:
        """Name all that is installed, with versions."""
        return self._run([_UV, "pip", "freeze"]).split("\n")[:-1]

    def _run(self, command: list[str | Path]) -> str:
        environment = os.environ | {"VIRTUAL_ENV": str(self.folder)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            raise CannotRun(f"its packages cannot be installed: {done.stderr.strip().splitlines()[-1]}")
        return done.stdout
