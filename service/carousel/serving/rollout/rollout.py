"""Keeps the catalog what the repository and the policies say.

How a version is swapped: a new one is loaded and checked here, on the loader's thread, beside the one that serves; then
`Catalog.add` puts it in the other's place on the loop's thread, and `Catalog.retire` lets the old one end what it has.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from carousel.artifact import ModelFolder, Survey, digest, read_manifest, read_repository, survey
from carousel.engines import Choice
from carousel.errors import CarouselError, InvalidRequest, ModelNotFound, ModelRejected, Violation
from carousel.serving.catalog import Catalog
from carousel.serving.rollout.copying import Copying
from carousel.serving.rollout.folders import Folders
from carousel.serving.rollout.loads import Loads
from carousel.serving.rollout.policy import Policies
from carousel.serving.rollout.promise import Promise, promise_of, promise_written
from carousel.serving.rollout.rejections import Rejections
from carousel.serving.version import Version, load_version
from carousel.settings import ModelPolicy

logger = logging.getLogger("carousel.serving.rollout")


class _Served(NamedTuple):
    """A version that is served: its files as they were, the digest of their content, and what it promises."""

    survey: Survey
    digest: str
    promise: Promise


class _Loaded(NamedTuple):
    version: Version
    digest: str


class _Spare(NamedTuple):
    """A version that loaded with less than the best promise: it is served if no older version has more."""

    number: int
    survey: Survey
    loaded: _Loaded


class Rollout:
    """Keeps the catalog what the repository and the policies say; versions come beside those that serve.

    A version is loaded once its files stand still, and checked not to have changed meanwhile. One that cannot be served
    is said once, and tried again when it changes and, ever more rarely, when it does not; what served before goes on.
    A folder that cannot be read says nothing of what is in it: what was served from there stays.

    All its methods belong to one thread, which is not the loop's; its attributes may be read from any.

    Attributes:
        loads: Attempts by outcome: loaded, rejected, stuck.
        copying: The versions whose files do not stand still yet.
        folders: The folders that cannot be read or are not what they were.
        rejections: The versions that could not be served.
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
        pause: float = 1.0,
        settle: float = 0.0,
        timeout: float = 120.0,
        allow_fallback: bool = False,
        warm: Callable[[Path, Version], None] = lambda _folder, _version: None,
    ) -> None:
        """Serve of each model in `repository` what `policies` say.

        `post` brings a function to the loop's thread; `add` is called there with each version loaded. Files have to
        stand still for `settle` seconds; a load that takes longer than `timeout` is waited for no more; what was
        rejected and does not change is tried again after `pause` seconds, and then ever more rarely. `warm` is called
        with each version loaded and its folder, on the thread that loaded it.
        """
        self._policies = policies
        self._repository = repository
        self._catalog = catalog
        self._post = post
        self._add = add
        self._choice: Choice = choice
        self._threads = threads
        self._allow_fallback = allow_fallback
        self._warm = warm
        self._loading: Loads[_Loaded] = Loads(timeout)
        self._served: dict[str, dict[int, _Served]] = {}
        self._unwanted: set[str] = set()
        self._only: set[str] | None = None  # None: every model that is there
        self.loads: Counter[str] = Counter()
        self.copying = Copying(settle)
        self.folders = Folders(repository)
        self.rejections = Rejections(pause)
        self.looked_at = time.monotonic()

    def look(self) -> None:
        """Bring the catalog up to date, once."""
        self._policies.refresh()
        listing = read_repository(self._repository)
        self.rejections.forget_gone(listing)
        self.copying.forget_gone(listing)
        for refused, reason in listing.refused.items():
            self._reject(refused, None, reason)
        self.folders.begin(listing)
        for name in sorted({*listing.models, *self._served}):
            folder = self.folders.find(name, is_served=name in self._served)
            if folder is not None:
                self._follow(name, folder)
                for number in self._served.get(name, {}).keys() - set(folder.complete):
                    self.folders.note(self._repository / name / str(number), "holds no saved_model.pb any more")
            elif self._is_unwanted(name):
                self._follow(name, ModelFolder((0, 0), frozenset(), ()))
        self.folders.end()
        labels = self._policies.labels
        self._post(lambda: setattr(self._catalog, "labels", labels))
        self.looked_at = time.monotonic()

    def load(self, name: str) -> CarouselError | None:
        """Serve a model that was unloaded or rejected; say why it is not served, if it is not."""
        self._unwanted.discard(name)
        if self._only is not None:
            self._only.add(name)
        self.rejections.forget_model(name)
        self.look()
        if name in self._served:
            return None
        reasons = [reason for (rejected, _), reason in self.rejections.reasons.items() if rejected == name]
        return ModelRejected("; ".join(reasons)) if reasons else _unknown(name)

    def unload(self, name: str) -> CarouselError | None:
        """Retire a model until `load` asks for it again; say so if there is none."""
        if name not in self._served and name not in read_repository(self._repository).models:
            return _unknown(name)
        self._unwanted.add(name)
        self.look()
        return None

    def serve_only(self, models: Mapping[str, tuple[Path, ModelPolicy]]) -> CarouselError | None:
        """Serve these models alone, by these policies; say why one of them is not served, if it is not.

        Each comes with the folder of its versions, which has to be the one that it has in the repository: otherwise
        nothing changes.
        """
        known = read_repository(self._repository).models
        for name, (folder, _) in models.items():
            if name not in known:
                return _unknown(name)
            if folder.resolve() != (self._repository / name).resolve():
                found = f"is {folder}, and the repository has {name!r} at {self._repository / name}"
                return InvalidRequest((Violation("base_path", found),))
        self._policies.replace({name: policy for name, (_, policy) in models.items()})
        self._only = set(models)
        self._unwanted -= self._only
        for name in models:
            self.rejections.forget_model(name)
        self.look()
        reasons = [
            reason for (name, _), reason in self.rejections.reasons.items() if name in models.keys() - self._served
        ]
        return ModelRejected("; ".join(reasons)) if reasons else None

    def _is_unwanted(self, name: str) -> bool:
        return name in self._unwanted or (self._only is not None and name not in self._only)

    def _follow(self, name: str, folder: ModelFolder) -> None:
        """Load what a model should serve and does not, and retire what it should not."""
        named, newest = self._policies.of(name)
        if self._is_unwanted(name):
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
            self._post(partial(self._catalog.retire, name, number, at_once=self._is_unwanted(name)))
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
        if self._allow_fallback or all(promise_of(loaded.version, self._choice)) or self._served[name]:
            self._take_or_reject(name, number, found, loaded)
            return ()
        return (_Spare(number, found, loaded),)

    def _load_if_due(self, name: str, number: int, found: Survey) -> _Loaded | None:
        """Load a version whose files are as `found`, if it is new, or another than what is served, and stands still."""
        folder, served = self._repository / name / str(number), self._served[name].get(number)
        if served is not None and served.survey == found:
            return None
        if self.rejections.bars(folder, found) or not self.copying.is_over(folder, found):
            return None
        if served is not None and digest(folder, found) == served.digest:
            self._served[name][number] = served._replace(survey=found)
            return None
        loaded = self._loading.run(folder, partial(self._load, folder, found))
        if survey(folder) == found:
            return loaded
        self.copying.begin_again(folder, found)
        logger.info("%s was changed while it was loaded; waiting until it stands still", folder)
        return None

    def _take_or_reject(self, name: str, number: int, found: Survey, loaded: _Loaded) -> None:
        promise, folder = promise_of(loaded.version, self._choice), self._repository / name / str(number)
        better = {n: each for n, each in self._served[name].items() if not promise.keeps(each.promise)}
        if better and not self._allow_fallback:
            why = loaded.version.not_preferred_because or "it has no states"
            reason = (
                f"{folder}: would be served without what version {max(better)} has ({why}). Copy it again, or set "
                "allow_fallback, or engine, if it is meant so"
            )
            self._reject(folder, found, reason)
            return
        self.rejections.forget(folder)
        self.copying.forget(folder)
        self.loads["loaded"] += 1
        if loaded.version.not_preferred_because and self._choice == "auto":
            logger.warning(
                "%s is served by %s: %s", folder, loaded.version.engine.name, loaded.version.not_preferred_because
            )
        self._served[name][number] = _Served(found, loaded.digest, promise)
        self._post(partial(self._add, loaded.version))

    def _load(self, folder: Path, found: Survey) -> _Loaded:
        batches = self._policies.tensorflow_batches(folder.parent.name)
        version = load_version(folder, self._choice, self._threads, tensorflow_batches=batches)
        self._warm(folder, version)
        return _Loaded(version, digest(folder, found))

    def _promises_more(self, name: str, number: int, spares: "list[_Spare]") -> bool:
        """Whether an older version says of itself that it has what the spare ones lost."""
        try:
            manifest = read_manifest(self._repository / name / str(number))
        except CarouselError:
            return False
        if manifest is None:
            return False
        promise = promise_written(manifest, self._choice)
        return not any(promise_of(loaded.version, self._choice).keeps(promise) for _, _, loaded in spares)

    def _reject(self, folder: Path, found: Survey | None, reason: str) -> None:
        if self.rejections.add(folder, found, reason):
            self.loads["rejected"] += 1


def _unknown(name: str) -> ModelNotFound:
    return ModelNotFound(f"Request for unknown model: the repository has no {name!r}")
