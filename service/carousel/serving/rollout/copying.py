"""The versions that are still being copied into the repository: none is loaded before its files stand still."""

import time
from pathlib import Path

from carousel.artifact import Listing, Survey
from carousel.serving.rollout.rejections import is_gone


class Copying:
    """Which versions' files were seen to change, and since when they do not. Of the loader's thread alone."""

    def __init__(self, settle: float) -> None:
        """Files stand still once they were not changed for `settle` seconds; with 0 they always do."""
        self.settle = settle
        self._seen: dict[Path, tuple[Survey, float]] = {}

    def __bool__(self) -> bool:
        """Whether any version's files do not stand still yet."""
        return bool(self._seen)

    def is_over(self, folder: Path, found: Survey) -> bool:
        """Whether the files were not changed for long enough, by their own times or by what was seen of them."""
        now = time.monotonic()
        before, since = self._seen.get(folder, (None, now))
        if 0 <= self.settle <= time.time() - found.newest or (before == found and now - since >= self.settle):
            self.forget(folder)
            return True
        if self.settle == 0.0:
            return True
        if before != found:
            self._seen[folder] = (found, now)
        return False

    def begin_again(self, folder: Path, found: Survey) -> None:
        """Take note that the files changed while they were read."""
        self._seen[folder] = (found, time.monotonic())

    def forget(self, folder: Path) -> None:
        """Take note that the version is served."""
        self._seen.pop(folder, None)

    def forget_gone(self, listing: Listing) -> None:
        """Forget what is there no more."""
        for folder in list(self._seen):
            if folder not in listing.refused and is_gone(folder, listing):
                del self._seen[folder]
