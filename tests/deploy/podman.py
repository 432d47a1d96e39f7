"""Images built and containers run by podman, without a daemon and apart from whatever else it holds."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.deploy.tools import ROOT, tool

BASE = "localhost/base"
# Limits as podman sets them exceed what a machine that is itself a container may give.
CONFIGURATION = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
lock_type = "file"
tmp_dir = "{folder}/tmp"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/images"
runroot = "{folder}/run"
"""


class Podman:
    """All that it keeps is in one folder, and gone at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._podman = tool("podman", "podman")
        (folder / "containers.conf").write_text(CONFIGURATION.format(folder=folder))
        (folder / "storage.conf").write_text(STORAGE.format(folder=folder))
        self._places = {
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }

    def __call__(self, *command: object, **options) -> str:
        """Run podman with this command, and return what it said."""
        return run(self._podman, *command, env=os.environ | self._places, **options)

    def start(self, *command: object) -> subprocess.Popen:
        """Run podman with this command, and do not wait for it."""
        return subprocess.Popen([self._podman, *map(str, command)], env=os.environ | self._places)

    def bring_base(self) -> None:
        """Make the base image out of Debian's packages: no registry of images is asked."""
        packages = "python3,python3-venv,ca-certificates"
        mmdebstrap = tool("mmdebstrap", "mmdebstrap")
        run(mmdebstrap, "--quiet", "--variant=minbase", f"--include={packages}", "bookworm", self._folder / "base.tar")
        self("import", "--quiet", self._folder / "base.tar", BASE)

    def bring_wheels(self) -> None:
        """Download what constraints.txt names for training, serving's among it, and what builds our own wheel."""
        needed, wheels = self._folder / "needed.txt", self._folder / "wheels"
        uv, pip = (sys.executable, "-m", "uv", "pip"), (sys.executable, "-m", "pip")
        pinned = ("--extra=train", "--constraint", ROOT / "constraints.txt", "--generate-hashes")
        python = ("--python-version", "3.11")
        run(*uv, "compile", "--quiet", ROOT / "pyproject.toml", *pinned, *python, "--output-file", needed)
        download = (*pip, "download", "--quiet", "--only-binary=:all:", *python, "--dest", wheels)
        run(*download, "--no-deps", "--requirement", needed)
        run(*download, "uv", "hatchling")

    def build(self, image: str, containerfile: str, context: Path = ROOT, *flags: str) -> str:
        """Build a Containerfile of deploy/container from the base and the wheels, and return the image's name."""
        ours = (f"--build-arg=BASE={BASE}", "--build-arg=WHEELHOUSE=/wheels", f"--volume={self._folder}/wheels:/wheels")
        file = ROOT / "deploy/container" / containerfile
        self("build", "--quiet", *ours, *flags, "--file", file, "--tag", image, context)
        return image

    def address(self, container: str) -> str:
        """Where this container's gRPC is reached: in a network of podman's own."""
        found = self("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container)
        return f"{found.strip()}:8500"

    def end(self) -> None:
        self("pod", "rm", "--all", "--force", "--time=0")
        self("rm", "--all", "--force", "--time=0")
        self("rmi", "--all", "--force")
        shutil.rmtree(self._folder)


def run(*command: object, **options) -> str:
    """Run a command to its end, and return what it said; what it complained of is the failure's message."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout
