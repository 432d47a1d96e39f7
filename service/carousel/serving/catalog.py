"""What is served now: find a model, swap a version in, drain one out."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping

from carousel.errors import InvalidRequest, ModelNotFound, SnapshotRefused, Violation, shortened
from carousel.serving.model import Model
from carousel.serving.sessions import Sessions

logger = logging.getLogger("carousel.serving.catalog")


class Catalog:
    """The versions that take requests, and those that only finish what they hold.

    Of the loop's thread alone, but for `find` and `names`: what they read is replaced as a whole when it changes.

    A version that is retired takes no new requests at once. Its live sequences stay until they end, for `drain_seconds`
    at most; then they are sent away. It is closed when its last sequence stepped off.

    Attributes:
        labels: By model: which version each label names.
    """

    def __init__(
        self,
        sessions: Sessions,
        on_change: Callable[[], None] = lambda: None,
        *,
        drain_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Know who is live by `sessions`; `on_change` is called when other versions take requests than before."""
        self._sessions = sessions
        self._on_change = on_change
        self.labels: Mapping[str, Mapping[str, int]] = {}
        self._drain_seconds = drain_seconds
        self._clock = clock
        self._served: Mapping[str, Mapping[int, Model]] = {}
        # When the live sequences have to go, in seconds on the clock; inf once they were sent away.
        self._retired: dict[Model, float] = {}

    def __iter__(self) -> Iterator[Model]:
        """Go through all that take requests, by name and version."""
        served = self._served
        for versions in (served[name] for name in sorted(served)):
            for version in sorted(versions):
                yield versions[version]

    def __len__(self) -> int:
        """Count the versions that take requests."""
        return sum(map(len, self._served.values()))

    @property
    def names(self) -> frozenset[str]:
        """The models of which a version takes requests."""
        return frozenset(self._served)

    @property
    def edition(self) -> object:
        """Stand for the versions that take requests now: as soon as they are others, this is another object."""
        return self._served

    def all_versions(self) -> list[Model]:
        """List every version there is, those on their way out among them."""
        return [*(model for versions in self._served.values() for model in versions.values()), *self._retired]

    def find(self, name: str, version: int = 0, label: str = "") -> Model:
        """Find a version by its number or its label; without either, the newest.

        Raises:
            InvalidRequest: Both a number and a label came.
            ModelNotFound: It is not served; the message says what is.
        """
        served_now = self._served
        versions = served_now.get(name)
        if versions is None:
            served = ", ".join(sorted(served_now)) or "none yet"
            raise ModelNotFound(f"Request for unknown model: {shortened(name)!r} is not served; served are: {served}")
        if label:
            version = self._labelled(name, version, label)
        model = versions.get(version or max(versions))
        if model is None:
            served = ", ".join(map(str, sorted(versions)))
            raise ModelNotFound(f"Request for unknown model: {name!r} has no version {version}; served are: {served}")
        return model

    def find_for_state(self, name: str, version: int = 0, label: str = "") -> Model:
        """Find the version that a live sequence goes on with from a snapshot: one that drains will do.

        Raises:
            SnapshotRefused: The version is older than what is served: it will not come back, and the state is lost.
            InvalidRequest, ModelNotFound: As `find`.
        """
        try:
            return self.find(name, version, label)
        except ModelNotFound as error:
            for model, end in self._retired.items():
                if (model.version.name, model.version.number) == (name, version) and end < math.inf:
                    return model
            if 0 < version < max(self._served.get(name, [0])):
                raise SnapshotRefused(
                    f"the state is of {name!r} version {version}, which is not served any more, and no other version "
                    "can go on from it: open the sequence anew on the newest version and feed its history again. "
                    "session_drain_seconds or keep_versions let a version's sequences live longer"
                ) from error
            raise

    def add(self, model: Model) -> None:
        """Take requests for this version from now on; one of the same number is retired."""
        version = model.version
        versions = self._served.get(version.name, {})
        before = versions.get(version.number)
        self._served = {**self._served, version.name: {**versions, version.number: model}}
        logger.info("serving %s version %d on %s", version.name, version.number, version.engine.name)
        if before is not None:
            self._retire(before)
        self._on_change()

    def retire(self, name: str, version: int, *, at_once: bool = False) -> None:
        """Take no more requests for this version; let it finish what it holds.

        `at_once` sends its live sequences away now: someone asked for just that.
        """
        versions = dict(self._served[name])
        model = versions.pop(version)
        others = {other: each for other, each in self._served.items() if other != name}
        self._served = {**others, name: versions} if versions else others
        self._retire(model, at_once=at_once)
        self._on_change()

    def sweep(self) -> None:
        """Send live sequences away whose time is over, and close the versions that hold nothing any more."""
        now = self._clock()
        for model, end in list(self._retired.items()):
            if now >= end:
                self._send_away(model)
            if not (model.waiting or model.running or self._sessions.held_by(model)):
                del self._retired[model]
                model.close()
                logger.info("unloaded %s version %d", model.version.name, model.version.number)

    def _retire(self, model: Model, *, at_once: bool = False) -> None:
        for each in (model, *model.others.values()):
            each.closing = True
        self._retired[model] = self._clock() + self._drain_seconds
        version, live = model.version, self._sessions.held_by(model)
        drains = f"; its {live} live sequences have {self._drain_seconds:g} s" if live else ""
        logger.info("retiring %s version %d%s", version.name, version.number, drains)
        if at_once or not self._drain_seconds:
            self._send_away(model)

    def _send_away(self, model: Model) -> None:
        self._retired[model] = math.inf
        self._sessions.retire(model)

    def _labelled(self, name: str, version: int, label: str) -> int:
        if version:
            found = f"is {shortened(label)!r} beside version {version}: expected one of them"
            raise InvalidRequest((Violation("version_label", found),))
        labels = self.labels.get(name, {})
        if label not in labels:
            known = ", ".join(sorted(labels)) or "none"
            raise ModelNotFound(
                f"Request for unknown model: {name!r} has no label {shortened(label)!r}; its labels are: {known}"
            )
        return labels[label]
