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
