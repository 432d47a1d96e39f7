"""The threads that run engine calls beside the loop: a lane each, as many as there are cores to use."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


class Lanes:
    """Engine calls that may run side by side, of all models together, in the order in which they were handed over.

    Attributes:
        count: How many; with one, ticks run on the loop's own thread as long as they are short.
    """

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self.threads = ThreadPoolExecutor(count, "lane")  # starts a thread only when a call needs one

    def close(self) -> None:
        """End the threads, without waiting for calls that run."""
        self.threads.shutdown(wait=False, cancel_futures=True)


def usable_cores(cgroup: Path = _CGROUP) -> int:
    """Count the cores that this process may use: by its affinity, and by its cgroup's quota where there is one."""
    return max(1, min(len(os.sched_getaffinity(0)), int(_quota(cgroup))))


def _quota(cgroup: Path) -> float:
    """Read the cores that a cgroup allows, of version 2 or 1; as many as there are where it names no limit."""
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = [float(part) for file in files for part in (cgroup / file).read_text().split()]
        except (OSError, ValueError):  # there is no such file, or it says "max"
            continue
        if quota > 0:
            return quota / period
    return float(os.cpu_count() or 1)
