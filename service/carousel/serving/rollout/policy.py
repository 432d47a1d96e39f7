"""Which versions of each model are served, and what labels name: from the settings file, read again as it changes."""

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from carousel.errors import CarouselError
from carousel.settings import ModelPolicy

logger = logging.getLogger("carousel.serving.rollout")

_NONE = ModelPolicy.model_validate({})


class Policies:
    """The [models] tables of the settings file. A file that is damaged changes nothing, and is said to be so."""

    def __init__(
        self,
        keep: int,
        policies: Mapping[str, ModelPolicy] | None = None,
        file: Path | None = None,
        read: Callable[[Path], Mapping[str, ModelPolicy]] = lambda _: {},
        *,
        tensorflow_batches: bool = False,
    ) -> None:
        """Begin with these; `read` reads the `file`.

        Of a model that none is for, `keep` newest versions are served, and `tensorflow_batches` holds.
        """
        self._policies = policies or {}
        self._read_file = read
        self._file = file
        self._keep = keep
        self._tensorflow_batches = tensorflow_batches
        self._read: tuple[int, ...] | None = None
        self._again = threading.Event()

    @property
    def labels(self) -> dict[str, dict[str, int]]:
        """By model: which version each label names."""
        return {name: dict(policy.labels) for name, policy in self._policies.items() if policy.labels}

    def replace(self, policies: Mapping[str, ModelPolicy]) -> None:
        """Go by these from now on, until the file changes."""
        self._policies = policies

    def read_again(self) -> None:
        """Have `refresh` read the file, changed or not. From any thread, or a signal handler."""
        self._again.set()

    def refresh(self) -> None:
        """Read the file again if it was changed. Policies alone are taken from it; other settings need a restart."""
        if self._file is None:
            return
        asked, stamp = self._again.is_set(), _stamp(self._file)
        self._again.clear()
        if stamp == self._read and not asked:
            return
        self._read = stamp
        try:
            self._policies = self._read_file(self._file)
        except CarouselError as error:
            logger.error("%s; the version policies stay as they were", error)  # noqa: TRY400 - the sentence says it all
        else:
            logger.info("read the version policies of %s again", self._file)

    def of(self, name: str) -> tuple[frozenset[int], int | None]:
        """Say what to serve of a model: versions by number, and how many of the newest beside them; None is all."""
        policy = self._policies.get(name, _NONE)
        named = frozenset(policy.labels.values())
        if policy.versions == "all":
            return named, None
        if policy.versions is not None:
            return named | frozenset(policy.versions), 0
        return named, policy.keep_versions or self._keep

    def tensorflow_batches(self, name: str) -> bool:
        """Say whether rows of a model share TensorFlow's calls, of a version that is loaded from now on."""
        own = self._policies.get(name, _NONE).tensorflow_batches
        return self._tensorflow_batches if own is None else own


def _stamp(file: Path) -> tuple[int, ...]:
    """See a file from outside; one that cannot be seen is as one of no size."""
    try:
        status = file.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
