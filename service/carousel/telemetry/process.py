"""The process itself: which versions it is made of, and what it takes of its machine."""

import os
import platform
import resource
import time
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import NamedTuple

_PAGE = resource.getpagesize()


class Usage(NamedTuple):
    """What a process has taken, or several together."""

    cpu_seconds: float
    resident_bytes: int
    virtual_bytes: int
    open_files: int
    max_open_files: int

    @classmethod
    def now(cls) -> "Usage":
        """Measure this process. Reads files: not on the loop's thread."""
        virtual, resident = (int(pages) * _PAGE for pages in Path("/proc/self/statm").read_text().split()[:2])
        files = len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208 - names are enough; one is that of the look itself
        return cls(time.process_time(), resident, virtual, files, resource.getrlimit(resource.RLIMIT_NOFILE)[0])

    def past(self) -> "Usage":
        """Keep what a process that is no more has used up."""
        return Usage(self.cpu_seconds, 0, 0, 0, 0)


def raise_descriptor_limit(wanted: int) -> int:
    """Allow this process `wanted` open files, or as many as the system lets it have; return how many it may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    return raised


@cache
def version() -> str:
    """Say Carousel's version, in numbers; an unpacked source tree has none."""
    try:
        return installed("lstm-carousel")
    except PackageNotFoundError:
        return "0.0.0"


@cache
def versions() -> tuple[str, str, str, str]:
    """Say the versions of Carousel, Python, grpcio and onnxruntime."""
    return version(), platform.python_version(), installed("grpcio"), installed("onnxruntime")
