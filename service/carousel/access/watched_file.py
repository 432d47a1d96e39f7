"""A file of a setting, which is read again when it changes."""

from pathlib import Path


class WatchedFile:
    """Tells whether a file changed since it was last looked at. Its errors name the setting.

    Attributes:
        path: Where it is.
    """

    def __init__(self, setting: str, path: Path) -> None:
        """Look at it for the first time.

        Raises:
            OSError: It is not there.
        """
        self.path = path
        self._setting = setting
        self._seen = self._stamp()

    def changed(self) -> bool:
        """Whether it is another than at the last look. Raises OSError where it is not there."""
        before, self._seen = self._seen, self._stamp()
        return self._seen != before

    def read(self) -> bytes:
        """Read all of it. Raises OSError where it cannot be read."""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise self._unreadable(error) from None

    def _stamp(self) -> tuple[int, int, int]:
        try:
            stat = self.path.stat()
        except OSError as error:
            raise self._unreadable(error) from None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size

    def _unreadable(self, error: OSError) -> OSError:
        return OSError(f"{self._setting}: cannot read {self.path}: {error.strerror}")
