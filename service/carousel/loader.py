"""Brings versions from disk to the catalog: a thread that looks, loads, checks and measures, and posts to the loop."""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from carousel.catalog import Catalog
from carousel.engines import Choice
from carousel.errors import ModelRejected
from carousel.model import Loaded, load
from carousel.repository import versions

logger = logging.getLogger("carousel.loader")


class Loader:
    """Keeps the catalog what the repository says: the newest versions served, the others retired.

    A version that cannot be served is said so once, and tried again only when its folder changed; what served before
    it goes on serving.

    Attributes:
        loads: Attempts by outcome: loaded, rejected. Written on the loader's thread, whole numbers only.
    """

    def __init__(
        self,
        repository: Path,
        catalog: Catalog,
        post: Callable[[Callable[[], None]], None],
        add: Callable[[Loaded], None],
        *,
        keep: int,
        choice: Choice,
        threads: int,
        every: float,
    ) -> None:
        """Look into `repository` every so many seconds and keep the `keep` newest versions of each model served.

        `post` brings a function to the loop's thread; `add` is called there with each version loaded.
        """
        self._repository = repository
        self._catalog = catalog
        self._post = post
        self._add = add
        self._keep = keep
        self._choice: Choice = choice
        self._threads = threads
        self._every = every
        self._served: set[tuple[str, int]] = set()
        self._rejected: dict[Path, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)
        self.loads: Counter[str] = Counter()

    def start(self, ready: Callable[[], None]) -> None:
        """Begin; `ready` is called on the loop's thread after the first look."""
        self._ready = ready
        self._thread.start()

    def stop(self) -> None:
        """Look no more. A load that is under way is left to end by itself."""
        self._stop.set()

    def look(self) -> None:
        """Bring the catalog up to date, once."""
        found = versions(self._repository)
        for name, numbers in found.items():
            for number in numbers[-self._keep :]:
                if (name, number) not in self._served:
                    self._load(name, number)
        for name in {name for name, _ in self._served}:
            held = sorted(number for other, number in self._served if other == name)
            on_disk = [number for number in held if number in found.get(name, [])]
            for number in set(held) - set(on_disk[-self._keep :]):
                self._served.discard((name, number))
                self._post(partial(self._catalog.retire, name, number))

    def _run(self) -> None:
        self.look()
        self._post(self._ready)
        while not self._stop.wait(self._every):
            self.look()

    def _load(self, name: str, number: int) -> None:
        folder = self._repository / name / str(number)
        try:
            changed = folder.stat().st_mtime
            if self._rejected.get(folder) == changed:
                return
            self._rejected[folder] = changed
            loaded = load(folder, self._choice, self._threads)
        except (ModelRejected, OSError) as error:
            self.loads["rejected"] += 1
            logger.error("rejected %s: %s", folder, error)  # noqa: TRY400 - the sentence says it all
            return
        del self._rejected[folder]
        self.loads["loaded"] += 1
        if loaded.not_onnx_because and self._choice == "auto":
            logger.warning("%s is served by TensorFlow: %s", folder, loaded.not_onnx_because)
        self._served.add((name, number))
        self._post(lambda: self._add(loaded))
