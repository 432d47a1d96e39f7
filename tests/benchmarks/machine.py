"""Which machine the figures are of, and what its processes take."""

import os
import platform
from pathlib import Path

import onnxruntime

_TICKS = os.sysconf("SC_CLK_TCK")


def machine() -> str:
    """Name the processor, its cores and the software that does the arithmetic."""
    model = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, ONNX Runtime {onnxruntime.__version__}"
    )


def cpu_seconds(pid: int) -> float:
    """Seconds of processor time that a process and those it started have had, on all their threads."""
    stats = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in processes(pid)]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / _TICKS


def processes(pid: int) -> list[int]:
    """Name a process and all those it started that still run."""
    started = [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    return [pid, *(each for child in started for each in processes(child))]


def resident(pid: int) -> float:
    """Megabytes of memory that a process holds now."""
    line = next(line for line in _lines(f"/proc/{pid}/status") if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024 / 1e6


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
