"""The repository's folders as they are known: one that is unmounted or moved says nothing of what was in it."""

import logging
from pathlib import Path

from carousel.artifact import Listing, ModelFolder

logger = logging.getLogger("carousel.serving.rollout")

_ANOTHER = "is empty, and another folder than before"


class Folders:
    """Tells an emptied folder from one that is another than before. Of the loader's thread alone.

    Attributes:
        unreadable: Each folder that cannot be read or is not what it was, and why. Replaced as a whole, so that any
            thread may read it.
    """

    def __init__(self, repository: Path) -> None:
        """Know the folders of `repository`."""
        self._repository = repository
        self._identities: dict[Path, tuple[int, int]] = {}
        self._listing = Listing()
        self._noted: dict[Path, str] = {}
        self.unreadable: dict[Path, str] = {}

    def begin(self, listing: Listing) -> None:
        """Begin a look: `listing` is what reading the repository gave."""
        self._listing = listing
        self._noted = dict(listing.unreadable)

    def find(self, name: str, *, is_served: bool) -> ModelFolder | None:
        """Find a model's folder; None where what is in it is not known, which is noted as unreadable."""
        listing, where = self._listing, self._repository / name
        if listing.identity is None or where in self._noted:
            return None
        folder = listing.models.get(name)
        if folder is None:
            # To remove a version's folder is explicit. A model's folder that is gone may be unmounted, or moved.
            if not listing.models and listing.identity != self._identities.get(self._repository):
                self.note(self._repository, _ANOTHER)
            else:
                self.note(where, "is gone")
            return None
        if not folder.present and is_served and folder.identity != self._identities.get(where):
            self.note(where, _ANOTHER)
            return None
        self._identities[where] = folder.identity
        self._identities[self._repository] = listing.identity
        return folder

    def note(self, where: Path, why: str) -> None:
        """Take note that a folder says nothing of what is in it."""
        self._noted.setdefault(where, why)

    def end(self) -> None:
        """End the look: say what cannot be read now and could before, and what can be read again."""
        for where, why in self._noted.items():
            if where not in self.unreadable:
                logger.error("cannot read %s: %s; what is served from there stays", where, why)
        for where in self.unreadable.keys() - self._noted.keys():
            logger.info("%s can be read again", where)
        self.unreadable = self._noted
