"""The training side, imported when a command needs it: serving installs go without."""

import importlib
from types import ModuleType

from carousel.errors import CarouselError


class TrainingMissing(CarouselError):
    """The training extra is not installed."""


def module(name: str) -> ModuleType:
    """Import `carousel_models.<name>`.

    Raises:
        TrainingMissing: What it needs is not installed; the message says what to install.
    """
    try:
        return importlib.import_module(f"carousel_models.{name}")
    except ModuleNotFoundError as error:
        raise TrainingMissing(
            f"{error.name} is not installed; training and exporting need: pip install 'lstm-carousel[train]'"
        ) from error
