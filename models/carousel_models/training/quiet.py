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
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
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
