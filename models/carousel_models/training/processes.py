"""Processes that fit models beside each other, each on one core."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from carousel_models.training.quiet import start_tensorflow


@contextmanager
def processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Start `count` processes with TensorFlow on one thread each, so that a fit's numbers do not depend on `count`.

    They end with this block, and with this process however it ends; at once where an exception leaves the block.
    An interrupt from the keyboard is for this process alone to heed.
    """
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=_start)
    try:
        yield pool
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _start() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    start_tensorflow(threads=1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
