"""Brings versions from disk to the catalog: a thread that looks, has them loaded beside, and posts to the loop."""

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from carousel.artifact import Listing, ModelFolder, Survey, digest, read_manifest, read_repository, survey
from carousel.engines import Choice
from carousel.errors import CarouselError, ModelNotFound, ModelRejected
from carousel.serving.catalog import Catalog
from carousel.serving.loads import Loads
from carousel.serving.policy import Policies
from carousel.serving.version import Version, load_version

logger = logging.getLogger("carousel.serving.loader")

_LONGEST_PAUSE = 300.0  # seconds between two tries of a version that is rejected and does not change


class _Promise(NamedTuple):
    """What clients of a version may rely on; one that has less of either may not take the place of one that has it."""

    preferred: bool  # it is served by the preferred engine, or by the one that was asked for
    stepwise: bool

    def keeps(self, other: "_Promise") -> bool:
        return self.preferred >= other.preferred and self.stepwise >= other.stepwise


class _Served(NamedTuple):
    """A version that is served: its files as they were, the digest of their content, and what it promises."""

    survey: Survey
    digest: str
    promise: _Promise


class _Rejection(NamedTuple):
    """Why a version could not be served, its files as they were (None: not to be looked at), and when to try again."""

    reason: str
    survey: Survey | None
    due: float
    pause: float


class _Loaded(NamedTuple):
    version: Version
    digest: str


class _Spare(NamedTuple):
    """A version that loaded with less than the best promise: it is served if no older version has more."""

    number: int
    survey: Survey
    loaded: _Loaded


class Loader:
    """Keeps the catalog what the repository and the policies say; versions come beside those that serve.

    A version is loaded once its files stand still, and checked not to have changed meanwhile. One that cannot be served
    is said once, and tried again when it changes and, ever more rarely, when it does not; what served before goes on.
    A folder that cannot be read says nothing of what is in it: what was served from there stays.

    Attributes:
        loads: Attempts by outcome: loaded, rejected, stuck. Written on the loader's thread, whole numbers only.
        unreadable: Each folder that cannot be read or is not what it was, and why. Replaced as a whole.
        looked_at: When the last look ended, in seconds of time.monotonic.
    """

    def __init__(
        self,
        repository: Path,
        catalog: Catalog,
        post: Callable[[Callable[[], None]], None],
        add: Callable[[Version], None],
        *,
        policies: Policies,
        choice: Choice,
        threads: int,
        every: float,
        settle: float = 0.0,
        timeout: float = 120.0,
        allow_fallback: bool = False,
    ) -> None:
        """Look into `repository` every so many seconds, and serve of each model what `policies` say.

        `post` brings a function to the loop's thread; `add` is called there with each version loaded. Files have to
        stand still for `settle` seconds; a load that takes longer than `timeout` is waited for no more.
        """
        self.policies = policies
        self._repository = repository
        self._catalog = catalog
        self._post = post
        self._add = add
        self._choice: Choice = choice
        self._threads = threads
        self._every = every
        self._settle = settle
        self._allow_fallback = allow_fallback
        self._loading: Loads[_Loaded] = Loads(timeout)
        self._served: dict[str, dict[int, _Served]] = {}
        self._rejected: dict[Path, _Rejection] = {}
        self._moving: dict[Path, tuple[Survey, float]] = {}  # files that did not stand still, and since when they do
        self._identities: dict[Path, tuple[int, int]] = {}
        self._unwanted: set[str] = set()
        self._wishes: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)
        self.loads: Counter[str] = Counter()
        self.unreadable: dict[Path, str] = {}
        self.looked_at = time.monotonic()

    def start(self, ready: Callable[[], None]) -> None:
        """Begin; `ready` is called on the loop's thread after the first look."""
        self._ready = ready
        self._thread.start()

    def stop(self) -> None:
        """Look no more. A load that is under way is left to end by itself."""
        self._stop.set()
        self._wishes.put(lambda: None)

    def read_again(self) -> None:
        """Read the policies again, and look at once. From any thread, or a signal handler."""
        self.policies.read_again()
        self._wishes.put(self.look)

    def load(self, name: str, then: Callable[[CarouselError | None], None]) -> None:
        """Serve a model that was unloaded or rejected; `then` is called on the loop's thread with what it came to."""
        self._wishes.put(partial(self._answer, partial(self._load_again, name), then))

    def unload(self, name: str, then: Callable[[CarouselError | None], None]) -> None:
        """Retire a model until `load` asks for it again; `then` as for `load`."""
        self._wishes.put(partial(self._answer, partial(self._unload, name), then))

    @property
    def rejected(self) -> dict[tuple[str, int], str]:
        """Why each version that was rejected was, by name and version. From any thread."""
        return {
            (folder.parent.name, int(folder.name)): each.reason
            for folder, each in self._rejected.copy().items()
            if folder.name.isdigit()
        }

    def look(self) -> None:
        """Bring the catalog up to date, once."""
        self.policies.refresh()
        listing = read_repository(self._repository)
        self._forget_what_is_gone(listing)
        for refused, reason in listing.refused.items():
            self._reject(refused, None, reason)
        unreadable = dict(listing.unreadable)
        for name in sorted({*listing.models, *self._served}):
            folder = self._folder_of(name, listing, unreadable)
            if folder is not None:
                self._follow(name, folder)
                for number in self._served.get(name, {}).keys() - set(folder.complete):
                    unreadable[self._repository / name / str(number)] = "holds no saved_model.pb any more"
            elif name in self._unwanted:
                self._follow(name, ModelFolder((0, 0), frozenset(), ()))
        for where, reason in unreadable.items():
            if where not in self.unreadable:
                logger.error("cannot read %s: %s; what is served from there stays", where, reason)
        for where in self.unreadable.keys() - unreadable.keys():
            logger.info("%s can be read again", where)
        self.unreadable = unreadable
        labels = self.policies.labels
        self._post(lambda: setattr(self._catalog, "labels", labels))
        self.looked_at = time.monotonic()

    def _folder_of(self, name: str, listing: Listing, unreadable: dict[Path, str]) -> ModelFolder | None:
        """Find a model's folder; None where what is in it is not known, which is noted among the `unreadable`."""
        if listing.identity is None or self._repository / name in unreadable:
            return None
        where, folder = self._repository / name, listing.models.get(name)
        if folder is None:
            # To remove a version's folder is explicit. A model's folder that is gone may be unmounted, or moved.
            empty = not listing.models and listing.identity != self._identities.get(self._repository)
            said = (self._repository, "is empty, and another folder than before") if empty else (where, "is gone")
            unreadable.setdefault(*said)
            return None
        if not folder.present and name in self._served and folder.identity != self._identities.get(where):
            unreadable[where] = "is empty, and another folder than before"
            return None
        self._identities[where] = folder.identity
        self._identities[self._repository] = listing.identity
        return folder

    def _follow(self, name: str, folder: ModelFolder) -> None:
        """Load what a model should serve and does not, and retire what it should not."""
        named, newest = self.policies.of(name)
        if name in self._unwanted:
            named, newest = frozenset(), 0
        served = self._served.setdefault(name, {})
        spares: list[_Spare] = []
        left = len(folder.present) if newest is None else newest
        # Where the newest cannot be served, one before it is; one that is served stays, whatever happens to its files.
        for number in sorted({*folder.complete, *(served.keys() & folder.present)}, reverse=True):
            brought: tuple[_Spare, ...] = ()
            asked = number in named or left > 0 or (spares and self._promises_more(name, number, spares))
            if asked and number in folder.complete:
                brought = self._bring(name, number)
                spares += brought
            left -= left > 0 and (number in served or bool(brought))
        for number, found, loaded in spares:
            self._take_or_reject(name, number, found, loaded)
        held = sorted(served.keys() & folder.present)
        wanted = set(held if newest is None else held[-newest:] if newest else ()) | named
        for number in [number for number in served if number not in folder.present or number not in wanted]:
            del served[number]
            self._post(partial(self._catalog.retire, name, number, at_once=name in self._unwanted))
        if not served:
            del self._served[name]

    def _bring(self, name: str, number: int) -> "tuple[_Spare, ...]":
        """Serve a version if it can be; give back one that would break a promise, if no other version keeps it."""
        folder = self._repository / name / str(number)
        found: Survey | None = None
        loaded: _Loaded | None = None
        try:
            if not self._loading.stuck(folder):
                found = survey(folder)
                loaded = self._load_if_due(name, number, found)
        except TimeoutError as error:
            self.loads["stuck"] += 1
            logger.error("%s: %s; others go on", folder, error)  # noqa: TRY400 - the sentence says it all
        except Exception as error:  # noqa: BLE001 - whatever a damaged version raises, the others are served
            self._reject(folder, found, str(error) or type(error).__name__)
        if loaded is None or found is None:
            return ()
        if self._allow_fallback or all(self._promise(loaded.version)) or self._served[name]:
            self._take_or_reject(name, number, found, loaded)
            return ()
        return (_Spare(number, found, loaded),)

    def _load_if_due(self, name: str, number: int, found: Survey) -> _Loaded | None:
        """Load a version whose files are as `found`, if it is new, or another than what is served, and stands still."""
        folder, served = self._repository / name / str(number), self._served[name].get(number)
        rejection = self._rejected.get(folder)
        if served is not None and served.survey == found:
            return None
        if rejection is not None and rejection.survey == found and time.monotonic() < rejection.due:
            return None
        if not self._stands_still(folder, found):
            return None
        if served is not None and digest(folder, found) == served.digest:
            self._served[name][number] = served._replace(survey=found)
            return None
        loaded = self._loading.run(folder, partial(self._load, folder, found))
        if survey(folder) == found:
            return loaded
        self._moving[folder] = (found, time.monotonic())
        logger.info("%s was changed while it was loaded; waiting until it stands still", folder)
        return None

    def _take_or_reject(self, name: str, number: int, found: Survey, loaded: _Loaded) -> None:
        promise, folder = self._promise(loaded.version), self._repository / name / str(number)
        better = {n: each for n, each in self._served[name].items() if not promise.keeps(each.promise)}
        if better and not self._allow_fallback:
            why = loaded.version.not_preferred_because or "it has no states"
            reason = (
                f"{folder}: would be served without what version {max(better)} has ({why}). Copy it again, or set "
                "allow_fallback, or engine, if it is meant so"
            )
            self._reject(folder, found, reason)
            return
        self._rejected.pop(folder, None)
        self._moving.pop(folder, None)
        self.loads["loaded"] += 1
        if loaded.version.not_preferred_because and self._choice == "auto":
            logger.warning("%s is served by TensorFlow: %s", folder, loaded.version.not_preferred_because)
        self._served[name][number] = _Served(found, loaded.digest, promise)
        self._post(partial(self._add, loaded.version))

    def _load(self, folder: Path, found: Survey) -> _Loaded:
        return _Loaded(load_version(folder, self._choice, self._threads), digest(folder, found))

    def _promise(self, version: Version) -> _Promise:
        return _Promise(self._choice != "auto" or not version.not_preferred_because, bool(version.states))

    def _promises_more(self, name: str, number: int, spares: "list[_Spare]") -> bool:
        """Whether an older version says of itself that it has what the spare ones lost."""
        try:
            manifest = read_manifest(self._repository / name / str(number))
        except CarouselError:
            return False
        if manifest is None:
            return False
        promise = _Promise(self._choice != "auto" or manifest.cell_graph, bool(manifest.states))
        return not any(self._promise(loaded.version).keeps(promise) for _, _, loaded in spares)

    def _stands_still(self, folder: Path, found: Survey) -> bool:
        """Whether the files were not changed for long enough, by their own times or by what was seen of them."""
        now = time.monotonic()
        before, since = self._moving.get(folder, (None, now))
        if 0 <= self._settle <= time.time() - found.newest or (before == found and now - since >= self._settle):
            self._moving.pop(folder, None)
            return True
        if self._settle == 0.0:
            return True
        if before != found:
            self._moving[folder] = (found, now)
        return False

    def _reject(self, folder: Path, found: Survey | None, reason: str) -> None:
        before = self._rejected.get(folder)
        now = time.monotonic()
        if before is not None and found is None and now < before.due:
            return
        same = before is not None and before.survey == found
        pause = min(2 * before.pause, _LONGEST_PAUSE) if before is not None and same else max(self._every, 1.0)
        self._rejected[folder] = _Rejection(reason, found, now + pause, pause)
        self.loads["rejected"] += 1
        if before is None or before.reason != reason:
            logger.error("rejected %s: %s", folder, reason)

    def _forget_what_is_gone(self, listing: Listing) -> None:
        """Forget rejections of what is there no more; what cannot be read may still be there."""
        for kept in (self._rejected, self._moving):
            for folder in list(kept):
                model = listing.models.get(folder.parent.name)
                number = int(folder.name) if folder.name.isdigit() else 0
                if folder not in listing.refused and model is not None and number not in model.present:
                    del kept[folder]

    def _run(self) -> None:
        self._survive(self.look)
        if self._moving:  # what was there at the start should be served from the start, if it stands still soon
            self._stop.wait(self._settle)
            self._survive(self.look)
        self._post(self._ready)
        while not self._stop.is_set():
            try:
                wish = self._wishes.get(timeout=min(self._every, self._settle) if self._moving else self._every)
            except queue.Empty:
                wish = self.look
            self._survive(wish)

    def _survive(self, wish: Callable[[], None]) -> None:
        try:
            wish()
        except Exception:  # the thread must go on, or no version would ever come or go again
            logger.exception("a look into %s failed", self._repository)

    def _answer(self, wish: Callable[[], CarouselError | None], then: Callable[[CarouselError | None], None]) -> None:
        error: CarouselError | None = ModelRejected("the repository could not be looked at; the log says why")
        try:
            error = wish()
        finally:
            self._post(lambda: then(error))

    def _load_again(self, name: str) -> CarouselError | None:
        self._unwanted.discard(name)
        for folder in [folder for folder in self._rejected if folder.parent.name == name]:
            del self._rejected[folder]
        self.look()
        if name in self._served:
            return None
        reasons = [reason for (rejected, _), reason in self.rejected.items() if rejected == name]
        return ModelRejected("; ".join(reasons)) if reasons else _unknown(name)

    def _unload(self, name: str) -> CarouselError | None:
        if name not in self._served and name not in read_repository(self._repository).models:
            return _unknown(name)
        self._unwanted.add(name)
        self.look()
        return None


def _unknown(name: str) -> ModelNotFound:
    return ModelNotFound(f"Request for unknown model: the repository has no {name!r}")
