"""A progress bar over the epochs of a training."""

from typing import Any

import keras

from carousel_models.training.bar import bar_of


class Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """Show how many of `epochs` are done, the losses after the last one, and the time."""

    def __init__(self, name: str, epochs: int) -> None:
        super().__init__()
        self._epoch = 0
        self._bar = bar_of("epochs")
        self._task = self._bar.add_task(f"Training {name}", total=epochs, figures="")

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes it
        """Show the bar."""
        self._bar.start()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes it
        """Move the bar on."""
        self._bar.update(self._task, completed=self._epoch + (batch + 1) / self.params["steps"])

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes it
        """Begin where the epoch does, resumed or not."""
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Show the losses."""
        figures = f"loss {logs['error']:.4f}, validation {logs['val_error']:.4f}" if "val_error" in logs else ""
        self._bar.update(self._task, completed=epoch + 1, figures=figures)

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes it
        """Leave the bar as it is."""
        self._bar.stop()
