"""The protocol's model repository: what is there, and loading and unloading by request where that is allowed."""

from collections.abc import Callable
from functools import partial

from carousel.errors import CarouselError
from carousel.oip import Repository, write_index
from carousel.rpc.interceptors import fail
from carousel.rpc.parsing import parse
from carousel.serving import Catalog
from carousel.stubs.oip.open_inference_pb2 import (
    RepositoryIndexRequest,
    RepositoryModelLoadRequest,
    RepositoryModelLoadResponse,
    RepositoryModelUnloadRequest,
    RepositoryModelUnloadResponse,
)
from carousel.transport import Call, Code, Status


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
        response = write_index(self._catalog, self._repository, ready=ready)
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
