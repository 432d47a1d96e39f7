"""When an interrupt from the keyboard is heard during a fit."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import keras


class Interrupts(keras.callbacks.Callback):  # type: ignore[misc]
    """Raise an interrupt from the keyboard between two batches, so that an epoch's end is never cut in two.

    Python raises KeyboardInterrupt between any two lines. In an epoch's end, that would leave losses without their
    weights, or a checkpoint one epoch behind the report.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting = False

    @contextmanager
    def heard_between_batches(self) -> Iterator[None]:
        """Hear interrupts between batches alone for as long as this lasts, where this thread hears them at all.

        Raises:
            KeyboardInterrupt: There was one after the last batch.
        """
        hears = threading.current_thread() is threading.main_thread()
        if not hears or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self._wait)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self._raise_what_came()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes them
        """Raise the interrupt that came during this batch, or during the end of the epoch before it.

        Raises:
            KeyboardInterrupt: There was one.
        """
        self._raise_what_came()

    on_test_batch_end = on_train_batch_end

    def _raise_what_came(self) -> None:
        if self._waiting:
            self._waiting = False
            raise KeyboardInterrupt

    def _wait(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signal's handler
        self._waiting = True
