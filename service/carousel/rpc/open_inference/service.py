"""The methods of inference.GRPCInferenceService."""

from collections.abc import Callable, Iterator
from functools import partial

from carousel.errors import CarouselError
from carousel.rpc.health import Health
from carousel.rpc.interceptors import fail
from carousel.rpc.open_inference.control import RepositoryMethods
from carousel.rpc.open_inference.describe import write_config, write_metadata, write_statistics
from carousel.rpc.open_inference.infer import Infer
from carousel.rpc.open_inference.infer_request import Reader
from carousel.rpc.open_inference.infer_stream import Streams
from carousel.rpc.open_inference.sequences import Sequences
from carousel.rpc.open_inference.versions import find
from carousel.rpc.trace import trace_of
from carousel.serving import Catalog, Roster
from carousel.stubs.oip import open_inference_pb2 as pb
from carousel.telemetry import version
from carousel.transport import Call, Code, Status
from carousel.wire import Bounds

SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name

_EXTENSIONS = ("binary_tensor_data", "model_configuration", "model_repository", "sequence", "statistics")
_REFUSED = {
    "SystemSharedMemoryStatus": "shared memory is not served: send tensors in the request",
    "SystemSharedMemoryRegister": "shared memory is not served: send tensors in the request",
    "SystemSharedMemoryUnregister": "shared memory is not served: send tensors in the request",
    "CudaSharedMemoryStatus": "CUDA shared memory is not served: send tensors in the request",
    "CudaSharedMemoryRegister": "CUDA shared memory is not served: send tensors in the request",
    "CudaSharedMemoryUnregister": "CUDA shared memory is not served: send tensors in the request",
    "TraceSetting": "traces are not served: see the metrics, and ModelStatistics",
    "LogSettings": "log settings are not changed by request: start the server with --log-level",
}


class OpenInference:
    """The Open Inference Protocol, with those of Triton's extensions that make sense here."""

    def __init__(
        self, catalog: Catalog, bounds: Bounds, roster: Roster, health: Health, *, convert: bool, control: bool
    ) -> None:
        """Serve what is in the catalog; `convert` takes FP64 and FP16, `control` allows loading by request."""
        self._catalog = catalog
        self._bounds = bounds
        self._health = health
        reader = Reader(bounds, convert=convert)
        self._infer = Infer(catalog, reader, Sequences(catalog, reader, roster))
        self.streams = Streams(self._infer)
        self.repository = RepositoryMethods(catalog, control=control)

    def methods(self) -> Iterator[tuple[str, str, Callable[..., None]]]:
        """List every method: full name, kind, function."""
        unary: dict[str, Callable[[Call, bytes], None]] = {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ModelReady": self.model_ready,
            "ServerMetadata": self.server_metadata,
            "ModelMetadata": self.model_metadata,
            "ModelInfer": self.model_infer,
            "ModelConfig": self.model_config,
            "ModelStatistics": self.model_statistics,
            "RepositoryIndex": self.repository.index,
            "RepositoryModelLoad": self.repository.load,
            "RepositoryModelUnload": self.repository.unload,
        }
        unary |= {name: partial(_refuse, because) for name, because in _REFUSED.items()}
        for name, function in unary.items():
            yield f"/{SERVICE}/{name}", "unary", function
        yield f"/{SERVICE}/ModelStreamInfer", "bidi_stream", self.streams.stream

    def server_live(self, call: Call, _message: bytes) -> None:
        """Say that the server answers."""
        call.reply(pb.ServerLiveResponse(live=True).SerializeToString())

    def server_ready(self, call: Call, _message: bytes) -> None:
        """Say whether requests are welcome."""
        call.reply(pb.ServerReadyResponse(ready=self._health.serving).SerializeToString())

    def model_ready(self, call: Call, message: bytes) -> None:
        """Say whether a model takes requests; one that is not there does not."""
        request = pb.ModelReadyRequest.FromString(message)
        try:
            find(self._catalog, request.name, request.version)
        except CarouselError:
            ready = False
        else:
            ready = True
        call.reply(pb.ModelReadyResponse(ready=ready).SerializeToString())

    def server_metadata(self, call: Call, _message: bytes) -> None:
        """Say what this server is."""
        response = pb.ServerMetadataResponse(name="carousel", version=version(), extensions=_EXTENSIONS)
        call.reply(response.SerializeToString())

    def model_metadata(self, call: Call, message: bytes) -> None:
        """Say what a model takes and gives."""
        request = pb.ModelMetadataRequest.FromString(message)
        model = find(self._catalog, request.name, request.version)
        versions = [each.version.number for each in self._catalog if each.version.name == request.name]
        call.reply(write_metadata(model, versions).SerializeToString())

    def model_config(self, call: Call, message: bytes) -> None:
        """Say how a model is served."""
        request = pb.ModelConfigRequest.FromString(message)
        model = find(self._catalog, request.name, request.version)
        response = pb.ModelConfigResponse(config=write_config(model, self._bounds.samples))
        call.reply(response.SerializeToString())

    def model_statistics(self, call: Call, message: bytes) -> None:
        """Say what a model did, every version of it when none is named, or all models when no name is given."""
        request = pb.ModelStatisticsRequest.FromString(message)
        models = list(self._catalog)
        if request.name:
            newest = find(self._catalog, request.name, request.version)
            models = [newest] if request.version else [m for m in models if m.version.name == request.name]
        response = pb.ModelStatisticsResponse(model_stats=map(write_statistics, models))
        call.reply(response.SerializeToString())

    def model_infer(self, call: Call, message: bytes) -> None:
        """Run one request."""
        request = pb.ModelInferRequest.FromString(message)

        def answer(response: pb.ModelInferResponse) -> None:
            call.reply(response.SerializeToString())

        call.on_cancel = self._infer.begin(request, call.deadline, trace_of(call.metadata), answer, partial(fail, call))


def _refuse(because: str, call: Call, _message: bytes) -> None:
    call.fail(Status(Code.UNIMPLEMENTED, because))
