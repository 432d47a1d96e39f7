"""Loads with a time limit: each runs on a thread beside the loader's, which does not wait for a stuck one for ever."""

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class _Job(Generic[T]):
    """One load: what it gave or raised, once it has ended."""

    def __init__(self, function: Callable[[], T]) -> None:
        self.function = function
        self.ended = threading.Event()
        self.result: T | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.result = self.function()
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            self.error = error
        self.ended.set()


class Loads(Generic[T]):
    """Runs loads one after the other on one thread; a stuck load keeps its thread, and the next gets another."""

    def __init__(self, timeout: float) -> None:
        """Wait for a load for at most `timeout` seconds."""
        self._timeout = timeout
        self._jobs: queue.SimpleQueue[_Job[T] | None] = queue.SimpleQueue()
        self._running = False
        self._stuck: dict[Path, _Job[T]] = {}

    def stuck(self, folder: Path) -> bool:
        """Whether a load of this folder began and has still not ended."""
        job = self._stuck.get(folder)
        return job is not None and not job.ended.is_set()

    def run(self, folder: Path, function: Callable[[], T]) -> T:
        """Load the version in `folder`, or take what an earlier load that took too long came to in the end.

        Raises:
            TimeoutError: It has not ended in time; it goes on by itself.
            Exception: Whatever the load raised.
        """
        job = self._stuck.pop(folder, None)
        if job is None:
            job = _Job(function)
            self._put(job)
            job.ended.wait(self._timeout)
        if not job.ended.is_set():
            self._stuck[folder] = job
            self._jobs.put(None)  # if it ever ends, its thread ends as well
            self._running = False
            self._jobs = queue.SimpleQueue()
            raise TimeoutError(f"the load has not ended within {self._timeout:g} s")
        if job.error is not None:
            raise job.error
        assert job.result is not None
        return job.result

    def _put(self, job: _Job[T]) -> None:
        if not self._running:
            self._running = True
            threading.Thread(target=_work, args=(self._jobs,), name="load", daemon=True).start()
        self._jobs.put(job)


def _work(jobs: "queue.SimpleQueue[_Job[T] | None]") -> None:
    while (job := jobs.get()) is not None:
        job.run()
        del job  # or what it loaded would stay until the next
