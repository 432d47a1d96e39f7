"""One progress bar over all epochs."""

from typing import Any

import keras
from rich import progress


class Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """Show how many of `epochs` are done, the losses after the last one, and the time."""

    def __init__(self, name: str, epochs: int) -> None:
        super().__init__()
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("epochs {task.fields[losses]}"),
            progress.TimeElapsedColumn(),
        )
        self._task = self._bar.add_task(f"Training {name}", total=epochs, losses="")

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes it
        """Show the bar."""
        self._bar.start()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes it
        """Move the bar on."""
        losses = f"loss {logs['loss']:.4f}, validation {logs['val_loss']:.4f}" if "val_loss" in logs else ""
        self._bar.update(self._task, advance=1, losses=losses)

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes it
        """Leave the bar as it is."""
        self._bar.stop()
