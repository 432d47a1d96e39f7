"""The protocol's model repository: what is in it, and what loads and unloads its models."""

from collections.abc import Callable
from typing import Protocol

from carousel.errors import CarouselError
from carousel.serving import Catalog
from carousel.stubs.oip.open_inference_pb2 import RepositoryIndexResponse


class Repository(Protocol):
    """Loads and unloads models; `then` is called on the loop's thread with the error, or None."""

    def load(self, name: str, then: Callable[[CarouselError | None], None]) -> None:
        """Serve a model from now on."""

    def unload(self, name: str, then: Callable[[CarouselError | None], None]) -> None:
        """Serve a model no more."""

    @property
    def rejected(self) -> dict[tuple[str, int], str]:
        """Why each version that cannot be served cannot, by name and version."""


def write_index(catalog: Catalog, repository: Repository, *, ready: bool) -> RepositoryIndexResponse:
    """Write the versions that are served, on their way out, or rejected; `ready` leaves those that are served."""
    response = RepositoryIndexResponse()
    served = {(model.version.name, model.version.number) for model in catalog}
    for model in catalog.all_versions():
        again = (model.version.name, model.version.number) in served
        if not (model.closing and (ready or again)):
            state, reason = ("UNLOADING", "finishing what it holds") if model.closing else ("READY", "")
            version = model.version
            response.models.add(name=version.name, version=str(version.number), state=state, reason=reason)
    if not ready:
        for (name, number), reason in sorted(repository.rejected.items()):
            response.models.add(name=name, version=str(number), state="UNAVAILABLE", reason=reason)
    return response
