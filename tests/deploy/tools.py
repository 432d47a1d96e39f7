"""The programs and servers that the tests of deploy/ start."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "build/tools"


def tool(name: str, package: str) -> str:
    """Find a program; a test that lacks it fails by saying what to install."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, f"{name} is missing: apt-get install {package}"
    return found


def pinned(name: str) -> str:
    """Find a program of the versions that we pin; another one, on PATH, might judge otherwise."""
    places = (Path(sys.executable).parent, TOOLS / "bin")
    found = shutil.which(name, path=os.pathsep.join(map(str, places)))
    assert found, f"{name} is missing: run `make install tools`"
    return found


class Served:
    """One `carousel serve` of its own process."""

    def __init__(self, repository: Path, *flags: str, host: str = "127.0.0.1", port: int = 0) -> None:
        self.repository = repository
        self.host = host
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "carousel", "serve", "--repository", str(repository)),
                *("--host", host, "--port", str(port), "--http-host", host, "--http-port", "0"),
                *flags,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        said = self._process.stdout.readline()
        ports = re.findall(r":(\d+)", said)
        assert len(ports) == 2, f"carousel serve said {said!r} instead of its two ports"
        self.port, self.http_port = map(int, ports)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def metrics(self) -> str:
        return f"{self.host}:{self.http_port}"

    def terminate(self) -> None:
        self._process.terminate()

    def wait(self, timeout: float) -> int:
        return self._process.wait(timeout)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
