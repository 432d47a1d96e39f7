"""The end of a process that has served."""

import logging
import os
import sys
from typing import NoReturn


def leave(status: int) -> NoReturn:
    """End this process with `status`, once its log is written, and leave the threads that still load where they are.

    A load that is under way is in C++, on a thread of its own. When it came back for an interpreter that is ending,
    Python would unwind its stack, and C++ answers that by aborting the process: its status would be no drain's.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
