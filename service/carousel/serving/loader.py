"""Brings versions from disk to the catalog: a thread that looks, loads, checks and measures, and posts to the loop."""

import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from carousel.artifact import versions
from carousel.engines import Choice
from carousel.errors import CarouselError, ModelNotFound, ModelRejected
from carousel.serving.catalog import Catalog
from carousel.serving.version import Version, load_version

logger = logging.getLogger("carousel.serving.loader")


class _Rejection(NamedTuple):
    """When the folder of a version had last changed (seconds since 1970), and why it could not be served."""

    changed: float
    reason: str


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
        add: Callable[[Version], None],
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
        self._rejected: dict[Path, _Rejection] = {}
        self._unwanted: set[str] = set()
        self._wishes: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
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
        self._wishes.put(lambda: None)

    def load(self, name: str, then: Callable[[CarouselError | None], None]) -> None:
        """Serve a model that was unloaded or rejected; `then` is called on the loop's thread with what it came to."""
        self._wishes.put(partial(self._load_again, name, then))

    def unload(self, name: str, then: Callable[[CarouselError | None], None]) -> None:
        """Retire a model until `load` asks for it again; `then` as for `load`."""
        self._wishes.put(partial(self._unload, name, then))

    @property
    def rejected(self) -> dict[tuple[str, int], str]:
        """Why each version that was rejected was, by name and version. From any thread."""
        return {(folder.parent.name, int(folder.name)): each.reason for folder, each in self._rejected.copy().items()}

    def look(self) -> None:
        """Bring the catalog up to date, once."""
        found = versions(self._repository)
        for folder in [folder for folder in self._rejected if not folder.exists()]:
            del self._rejected[folder]
        for name, numbers in found.items():
            wanted = self._keep if name not in self._unwanted else 0
            for number in reversed(numbers):  # where the newest cannot be served, one before it is
                if wanted and (name, number) not in self._served:
                    self._load(name, number)
                wanted -= wanted > 0 and (name, number) in self._served
        for name in {name for name, _ in self._served}:
            held = sorted(number for other, number in self._served if other == name)
            on_disk = [] if name in self._unwanted else [number for number in held if number in found.get(name, [])]
            for number in set(held) - set(on_disk[-self._keep :]):
                self._served.discard((name, number))
                self._post(partial(self._catalog.retire, name, number, at_once=name in self._unwanted))

    def _run(self) -> None:
        self.look()
        self._post(self._ready)
        while not self._stop.is_set():
            try:
                self._wishes.get(timeout=self._every)()
            except queue.Empty:
                self.look()

    def _load_again(self, name: str, then: Callable[[CarouselError | None], None]) -> None:
        self._unwanted.discard(name)
        for folder in [folder for folder in self._rejected if folder.parent.name == name]:
            del self._rejected[folder]
        self.look()
        error: CarouselError | None = None
        if not any(served == name for served, _ in self._served):
            reasons = [reason for (rejected, _), reason in self.rejected.items() if rejected == name]
            error = ModelRejected("; ".join(reasons)) if reasons else _unknown(name)
        self._post(lambda: then(error))

    def _unload(self, name: str, then: Callable[[CarouselError | None], None]) -> None:
        error: CarouselError | None = None
        if name in versions(self._repository) or any(served == name for served, _ in self._served):
            self._unwanted.add(name)
            self.look()
        else:
            error = _unknown(name)
        self._post(lambda: then(error))

    def _load(self, name: str, number: int) -> None:
        folder = self._repository / name / str(number)
        changed = 0.0
        try:
            changed = folder.stat().st_mtime
            rejection = self._rejected.get(folder)
            if rejection is not None and rejection.changed == changed:
                return
            version = load_version(folder, self._choice, self._threads)
        except Exception as error:  # noqa: BLE001 - whatever a damaged version raises, the others are served
            self._rejected[folder] = _Rejection(changed, str(error))
            self.loads["rejected"] += 1
            logger.error("rejected %s: %s", folder, error)  # noqa: TRY400 - the sentence says it all
            return
        self._rejected.pop(folder, None)
        self.loads["loaded"] += 1
        if version.not_preferred_because and self._choice == "auto":
            logger.warning("%s is served by TensorFlow: %s", folder, version.not_preferred_because)
        self._served.add((name, number))
        self._post(lambda: self._add(version))


def _unknown(name: str) -> ModelNotFound:
    return ModelNotFound(f"Request for unknown model: the repository has no {name!r}")
