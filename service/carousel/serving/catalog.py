"""What is served now: find a model, swap a version in, drain one out."""

import logging
from collections.abc import Callable, Iterator

from carousel.errors import ModelNotFound
from carousel.serving.model import Model

logger = logging.getLogger("carousel.serving.catalog")


class Catalog:
    """The versions that take requests, and those that only finish what they hold. Of the loop's thread alone.

    A version that is retired takes no more requests at once, and is closed when its last sequence stepped off and its
    last live sequence was sent away.
    """

    def __init__(self, on_retire: Callable[[Model], None] = lambda _: None) -> None:
        """Call `on_retire` with each version that stops taking requests."""
        self.on_retire = on_retire
        self._served: dict[str, dict[int, Model]] = {}
        self._leaving: list[Model] = []

    def __iter__(self) -> Iterator[Model]:
        """Go through all that take requests, by name and version."""
        for name in sorted(self._served):
            for version in sorted(self._served[name]):
                yield self._served[name][version]

    def __len__(self) -> int:
        """Count the versions that take requests."""
        return sum(map(len, self._served.values()))

    def everyone(self) -> list[Model]:
        """List every version there is, those on their way out among them."""
        return [*(model for versions in self._served.values() for model in versions.values()), *self._leaving]

    def find(self, name: str, version: int = 0) -> Model:
        """Find a version; 0 is the newest.

        Raises:
            ModelNotFound: It is not served; the message says what is.
        """
        versions = self._served.get(name)
        if versions is None:
            served = ", ".join(sorted(self._served)) or "none yet"
            raise ModelNotFound(f"Request for unknown model: {name!r} is not served; served are: {served}")
        model = versions.get(version or max(versions))
        if model is None:
            served = ", ".join(map(str, sorted(versions)))
            raise ModelNotFound(f"Request for unknown model: {name!r} has no version {version}; served are: {served}")
        return model

    def add(self, model: Model) -> None:
        """Take requests for this version from now on."""
        version = model.version
        self._served.setdefault(version.name, {})[version.number] = model
        logger.info("serving %s version %d on %s", version.name, version.number, version.engine.name)

    def retire(self, name: str, version: int) -> None:
        """Take no more requests for this version; let it finish what it holds."""
        versions = self._served[name]
        model = versions.pop(version)
        if not versions:
            del self._served[name]
        model.closing = True
        self._leaving.append(model)
        logger.info("retiring %s version %d", name, version)
        self.on_retire(model)

    def sweep(self) -> None:
        """Close the retired versions that hold nothing any more."""
        for model in [model for model in self._leaving if not (model.waiting or model.running or model.sessions)]:
            self._leaving.remove(model)
            model.close()
            logger.info("unloaded %s version %d", model.version.name, model.version.number)
