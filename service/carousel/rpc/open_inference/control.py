"""The protocol's model repository: what is there, and loading and unloading by request where that is allowed."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from carousel.errors import CarouselError
from carousel.rpc.checks import parse
from carousel.rpc.interceptors import fail
from carousel.serving import Catalog
from carousel.stubs.oip.open_inference_pb2 import (
    RepositoryIndexRequest,
    RepositoryIndexResponse,
    RepositoryModelLoadRequest,
    RepositoryModelLoadResponse,
    RepositoryModelUnloadRequest,
    RepositoryModelUnloadResponse,
)
from carousel.transport import Call, Code, Status


class Repository(Protocol):
    """Loads and unloads models; `then` is called on the loop's thread with the error, or None."""

    def load(self, name: str, then: Callable[[CarouselError | None], None]) -> None:
        """Serve a model from now on."""

    def unload(self, name: str, then: Callable[[CarouselError | None], None]) -> None:
        """Serve a model no more."""

    @property
    def rejected(self) -> dict[tuple[str, int], str]:
        """Why each version that cannot be served cannot, by name and version."""


class RepositoryMethods:
    """RepositoryIndex, RepositoryModelLoad and RepositoryModelUnload.

    Attributes:
        unary: Each by its name.
    """

    def __init__(self, catalog: Catalog, repository: Repository, *, control: bool) -> None:
        """List what is served and what is rejected; load and unload only with `control`."""
        self._catalog = catalog
        self._repository = repository
        self._control = control
        self.unary: dict[str, Callable[[Call, bytes], None]] = {
            "RepositoryIndex": self.index,
            "RepositoryModelLoad": self.load,
            "RepositoryModelUnload": self.unload,
        }

    def index(self, call: Call, message: bytes) -> None:
        """List the versions that are served, on their way out, or rejected."""
        ready = parse(RepositoryIndexRequest, message).ready
        response = RepositoryIndexResponse()
        served = {(model.version.name, model.version.number) for model in self._catalog}
        for model in self._catalog.all_versions():
            again = (model.version.name, model.version.number) in served
            if not (model.closing and (ready or again)):
                state, reason = ("UNLOADING", "finishing what it holds") if model.closing else ("READY", "")
                version = model.version
                response.models.add(name=version.name, version=str(version.number), state=state, reason=reason)
        if not ready:
            for (name, number), reason in sorted(self._repository.rejected.items()):
                response.models.add(name=name, version=str(number), state="UNAVAILABLE", reason=reason)
        call.reply(response.SerializeToString())

    def load(self, call: Call, message: bytes) -> None:
        """Load a model that was unloaded or rejected, and answer once it is served."""
        request = parse(RepositoryModelLoadRequest, message)
        if self._allowed(call, request):
            answer = RepositoryModelLoadResponse().SerializeToString()
            self._repository.load(request.model_name, partial(_answer, call, answer))

    def unload(self, call: Call, message: bytes) -> None:
        """Take no more requests for a model, and answer at once; it finishes what it holds."""
        request = parse(RepositoryModelUnloadRequest, message)
        if self._allowed(call, request):
            answer = RepositoryModelUnloadResponse().SerializeToString()
            self._repository.unload(request.model_name, partial(_answer, call, answer))

    def _allowed(self, call: Call, request: RepositoryModelLoadRequest | RepositoryModelUnloadRequest) -> bool:
        if not self._control:
            text = "models are loaded and unloaded by their folders; repository_control is off on this server"
            call.fail(Status(Code.PERMISSION_DENIED, text))
        elif refused := sorted(set(request.parameters) - {"unload_dependents"}):
            text = f"parameters: {', '.join(refused)}: not served; a model is loaded as it lies in the repository"
            call.fail(Status(Code.INVALID_ARGUMENT, text))
        else:
            return True
        return False


def _answer(call: Call, message: bytes, error: CarouselError | None) -> None:
    if error is None:
        call.reply(message)
    else:
        fail(call, error)
