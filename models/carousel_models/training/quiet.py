"""TensorFlow's start without its C++ chatter."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

STANDARD_ERROR = 2


@contextmanager
def quietly() -> Iterator[None]:
    """Swallow what is written to standard error within; let it out after all if an exception leaves.

    TensorFlow's libraries write of drivers and instruction sets while they load, before any setting of its own is
    heeded; so the file descriptor is turned aside, and the first look at devices happens within too.
    """
    sys.stderr.flush()
    kept = os.dup(STANDARD_ERROR)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), STANDARD_ERROR)
        try:
            yield
        except BaseException:
            aside.seek(0)
            os.write(kept, aside.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, STANDARD_ERROR)
            os.close(kept)


def start_tensorflow(*, deterministic: bool = False, threads: int | None = None) -> None:
    """Import TensorFlow and let it look for devices, quietly.

    Args:
        deterministic: Refuse operations that may give other bits from run to run. On a CPU none of ours does; on a GPU
            the fast ones do.
        threads: How many threads it may use; as many as it likes where None.
    """
    with quietly():
        import tensorflow as tf  # noqa: PLC0415 - this is the place

        # It takes every new model for a mistake, and says so: "triggered tf.function retracing".
        tf.get_logger().setLevel("ERROR")
        if threads is not None:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        if deterministic:
            tf.config.experimental.enable_op_determinism()
        tf.config.list_logical_devices()
