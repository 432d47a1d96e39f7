"""The process itself: which versions it is made of, and what it takes of its machine."""

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

    @classmethod
    def now(cls) -> "Usage":
        """Measure this process. Reads a file: not on the loop's thread."""
        resident = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(time.process_time(), resident * _PAGE)


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
