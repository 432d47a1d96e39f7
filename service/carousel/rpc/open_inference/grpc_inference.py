"""The methods of inference.GRPCInferenceService."""

from collections.abc import Callable
from functools import partial

from carousel.access import Scope
from carousel.artifact import INPUTS
from carousel.errors import CarouselError
from carousel.oip import (
    EXTENSIONS,
    Infer,
    Repository,
    is_plain,
    read_version,
    write_config,
    write_metadata,
    write_statistics,
)
from carousel.rpc.forms import Forms, Mark
from carousel.rpc.health import Health
from carousel.rpc.interceptors import Kind, Method, fail
from carousel.rpc.open_inference.control import RepositoryMethods
from carousel.rpc.open_inference.infer_stream import InferStream
from carousel.rpc.parsing import parse
from carousel.rpc.stream import Streams
from carousel.serving import Catalog, Limits, Model, Pending, Request, Requests
from carousel.stubs.oip import open_inference_pb2 as pb
from carousel.telemetry import version
from carousel.transport import Call, Code, Status
from carousel.wire import trace_of

OPEN_INFERENCE: str = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name

_ELEMENTS = (pb.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER,)
_OUTPUTS = (pb.ModelInferResponse.RAW_OUTPUT_CONTENTS_FIELD_NUMBER,)

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
    """The Open Inference Protocol, with those of Triton's extensions that make sense here.

    Attributes:
        methods: Its rpcs.
    """

    def __init__(
        self,
        catalog: Catalog,
        requests: Requests,
        infer: Infer,
        streams: Streams,
        limits: Limits,
        health: Health,
        repository: Repository,
        *,
        control: bool,
    ) -> None:
        """Serve what is in the catalog; `control` allows loading by request."""
        self._catalog = catalog
        self._limits = limits
        self._health = health
        self._streams = streams
        self._infer = infer
        self._forms = Forms(requests, catalog, elements=_ELEMENTS, outputs=_OUTPUTS)
        unary: dict[str, Callable[[Call, bytes], None]] = {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ModelReady": self.model_ready,
            "ServerMetadata": self.server_metadata,
            "ModelMetadata": self.model_metadata,
            "ModelInfer": self.model_infer,
            "ModelConfig": self.model_config,
            "ModelStatistics": self.model_statistics,
            **RepositoryMethods(catalog, repository, control=control).unary,
            **{name: partial(_refuse, because) for name, because in _REFUSED.items()},
        }
        self.methods = (
            *(Method(OPEN_INFERENCE, name, Kind.UNARY, each, _scope(name)) for name, each in unary.items()),
            Method(OPEN_INFERENCE, "ModelStreamInfer", Kind.BIDI_STREAM, self.model_stream_infer),
        )

    def server_live(self, call: Call, message: bytes) -> None:
        """Say that the server answers."""
        parse(pb.ServerLiveRequest, message)
        call.reply(pb.ServerLiveResponse(live=True).SerializeToString())

    def server_ready(self, call: Call, message: bytes) -> None:
        """Say whether requests are welcome."""
        parse(pb.ServerReadyRequest, message)
        call.reply(pb.ServerReadyResponse(ready=self._health.serving).SerializeToString())

    def model_ready(self, call: Call, message: bytes) -> None:
        """Say whether a model takes requests; one that is not there does not."""
        request = parse(pb.ModelReadyRequest, message)
        try:
            self._find(request.name, request.version)
        except CarouselError:
            ready = False
        else:
            ready = True
        call.reply(pb.ModelReadyResponse(ready=ready).SerializeToString())

    def server_metadata(self, call: Call, message: bytes) -> None:
        """Say what this server is."""
        parse(pb.ServerMetadataRequest, message)
        response = pb.ServerMetadataResponse(name="carousel", version=version(), extensions=EXTENSIONS)
        call.reply(response.SerializeToString())

    def model_metadata(self, call: Call, message: bytes) -> None:
        """Say what a model takes and gives."""
        request = parse(pb.ModelMetadataRequest, message)
        model = self._find(request.name, request.version)
        versions = [each.version.number for each in self._catalog if each.version.name == request.name]
        call.reply(write_metadata(model, versions).SerializeToString())

    def model_config(self, call: Call, message: bytes) -> None:
        """Say how a model is served."""
        request = parse(pb.ModelConfigRequest, message)
        model = self._find(request.name, request.version)
        response = pb.ModelConfigResponse(config=write_config(model, self._limits.samples))
        call.reply(response.SerializeToString())

    def model_statistics(self, call: Call, message: bytes) -> None:
        """Say what a model did, every version of it when none is named, or all models when no name is given."""
        request = parse(pb.ModelStatisticsRequest, message)
        models = list(self._catalog)
        if request.name:
            newest = self._find(request.name, request.version)
            models = [newest] if request.version else [m for m in models if m.version.name == request.name]
        response = pb.ModelStatisticsResponse(model_stats=map(write_statistics, models))
        call.reply(response.SerializeToString())

    def model_infer(self, call: Call, message: bytes) -> None:
        """Run one request."""
        if self._forms.serve(call, message):
            return
        request = parse(pb.ModelInferRequest, message)
        call.model, call.request_id = request.model_name, request.id

        def answer(response: pb.ModelInferResponse) -> None:
            call.reply(response.SerializeToString())

        trace = trace_of(call.metadata)
        size, failing = len(message), partial(fail, call)
        mark = self._forms.mark(message) if is_plain(request) else None
        keep = None if mark is None else partial(self._keep, mark)
        call.on_cancel = self._infer.begin(request, size, call.deadline, trace, call.client, answer, failing, keep)

    def model_stream_infer(self, call: Call) -> None:
        """Run one request after another."""
        InferStream(self._infer, self._streams, call)

    def _keep(self, mark: Mark, request: Request, pending: Pending, response: pb.ModelInferResponse) -> None:
        """Keep the form of a plain request, unless its names mean the author's own tensors, which are converted."""
        signature = pending.version.signature
        if {INPUTS, response.outputs[0].name}.isdisjoint(signature.takes.names + signature.gives.names):
            self._forms.keep(mark, request, pending, response.SerializeToString())

    def _find(self, name: str, version: str) -> Model:
        number, label = read_version(version)
        return self._catalog.find(name, number, label)


def _refuse(because: str, call: Call, _message: bytes) -> None:
    call.fail(Status(Code.UNIMPLEMENTED, because))


def _scope(name: str) -> Scope | None:
    """Say what the callers of a method need: anybody may ask whether the server is up, as of the health service."""
    if name in {"ServerLive", "ServerReady"}:
        return None
    return Scope.ADMIN if name in {"RepositoryModelLoad", "RepositoryModelUnload", *_REFUSED} else Scope.PREDICT
