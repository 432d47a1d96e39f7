"""The versions that could not be served, why, and when each is tried again."""

import logging
import time
from pathlib import Path
from typing import NamedTuple

from carousel.artifact import Listing, Survey

logger = logging.getLogger("carousel.serving.rollout")

_LONGEST_PAUSE = 300.0  # seconds between two tries of a version that does not change


class _Rejection(NamedTuple):
    """Why a version could not be served, its files as they were (None: not to be looked at), and when to try again."""

    reason: str
    survey: Survey | None
    due: float
    pause: float


class Rejections:
    """What was rejected. Each is said once, and tried again when it changes and, ever more rarely, when it does not.

    Written on the loader's thread, read from any.
    """

    def __init__(self, pause: float) -> None:
        """Try again after `pause` seconds, then after twice as many each time."""
        self._pause = pause
        self._rejected: dict[Path, _Rejection] = {}

    @property
    def reasons(self) -> dict[tuple[str, int], str]:
        """Why each version was rejected, by name and version."""
        return {
            (folder.parent.name, int(folder.name)): each.reason
            for folder, each in self._rejected.copy().items()
            if folder.name.isdigit()
        }

    def add(self, folder: Path, found: Survey | None, reason: str) -> bool:
        """Reject a version whose files are as `found`; False where it is not due and nothing new is known."""
        before = self._rejected.get(folder)
        now = time.monotonic()
        if before is not None and found is None and now < before.due:
            return False
        same = before is not None and before.survey == found
        pause = min(2 * before.pause, _LONGEST_PAUSE) if before is not None and same else self._pause
        self._rejected[folder] = _Rejection(reason, found, now + pause, pause)
        if before is None or before.reason != reason:
            logger.error("rejected %s: %s", folder, reason)
        return True

    def bars(self, folder: Path, found: Survey) -> bool:
        """Whether a version was rejected with just these files, and it is not yet time to try again."""
        rejection = self._rejected.get(folder)
        return rejection is not None and rejection.survey == found and time.monotonic() < rejection.due

    def forget(self, folder: Path) -> None:
        """Take note that a version is served after all."""
        self._rejected.pop(folder, None)

    def forget_model(self, name: str) -> None:
        """Try every version of a model at the next look."""
        for folder in [folder for folder in self._rejected if folder.parent.name == name]:
            del self._rejected[folder]

    def forget_gone(self, listing: Listing) -> None:
        """Forget what is there no more; what cannot be read may still be there."""
        for folder in list(self._rejected):
            if folder not in listing.refused and is_gone(folder, listing):
                del self._rejected[folder]


def is_gone(folder: Path, listing: Listing) -> bool:
    """Whether a version's folder is known not to be in the repository any more."""
    model = listing.models.get(folder.parent.name)
    number = int(folder.name) if folder.name.isdigit() else 0
    return model is not None and number not in model.present
