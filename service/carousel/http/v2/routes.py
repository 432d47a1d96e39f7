"""What answers the protocol's paths, all of them under /v2."""

import zlib
from collections.abc import Callable
from functools import partial

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from carousel.errors import CarouselError, InvalidRequest, ModelNotFound, Violation
from carousel.http.bodies import Bodies
from carousel.http.bridge import Answer, Bridge, Fail, deadline_after
from carousel.http.disconnect import unless_gone
from carousel.http.documents import read_document
from carousel.http.failures import answer, answering_errors
from carousel.http.v2.raw import read_raw
from carousel.http.v2.reading import read_infer
from carousel.http.v2.writing import document_of, write_infer
from carousel.oip import (
    EXTENSIONS,
    Infer,
    Repository,
    read_version,
    write_config,
    write_index,
    write_metadata,
    write_statistics,
)
from carousel.serving import Catalog, Limits, Model
from carousel.stubs.oip.open_inference_pb2 import ModelInferResponse
from carousel.telemetry import version
from carousel.wire import trace_of

_HEADER = "inference-header-content-length"
_REFUSED = {
    "/v2/systemsharedmemory/{rest:path}": "shared memory is not served: send tensors in the request",
    "/v2/cudasharedmemory/{rest:path}": "CUDA shared memory is not served: send tensors in the request",
    "/v2/trace/setting": "traces are not served: see /metrics, and the statistics",
    "/v2/logging": "log settings are not changed by request: start the server with --log-level",
}
_MAX_DIGITS = 12


class OpenInference:
    """The Open Inference Protocol over HTTP.

    Attributes:
        routes: What answers it.
    """

    def __init__(
        self,
        bridge: Bridge,
        catalog: Catalog,
        bodies: Bodies,
        limits: Limits,
        infer: Infer,
        repository: Repository,
        serving: Callable[[], bool],
        client_of: Callable[[HttpRequest], str],
        *,
        seconds: float,
        control: bool,
    ) -> None:
        """Answer it; `client_of` says whose a request is; `control` allows loading by request.

        A request is given up after `seconds`, 0 for never.
        """
        self._bridge = bridge
        self._catalog = catalog
        self._bodies = bodies
        self._limits = limits
        self._infer = infer
        self._repository = repository
        self._serving = serving
        self._client_of = client_of
        self._seconds = seconds
        self._control = control
        self.routes: list[BaseRoute] = [
            Route("/v2", answering_errors(self._server)),
            Route("/v2/health/live", answering_errors(self._live)),
            Route("/v2/health/ready", answering_errors(self._ready)),
            Route("/v2/models/stats", answering_errors(self._statistics)),
            Route("/v2/repository/index", answering_errors(self._index), methods=["POST"]),
            Route("/v2/repository/models/{model}/load", answering_errors(self._load), methods=["POST"]),
            Route("/v2/repository/models/{model}/unload", answering_errors(self._unload), methods=["POST"]),
        ]
        for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
            self.routes += [
                Route(path, answering_errors(self._metadata)),
                Route(f"{path}/ready", answering_errors(self._model_ready)),
                Route(f"{path}/config", answering_errors(self._config)),
                Route(f"{path}/stats", answering_errors(self._statistics)),
                Route(f"{path}/infer", answering_errors(self._run), methods=["POST"]),
            ]
        self.routes += [
            Route(path, partial(_refuse, because), methods=["GET", "POST"]) for path, because in _REFUSED.items()
        ]

    async def _server(self, _request: HttpRequest) -> Response:
        return answer({"name": "carousel", "version": version(), "extensions": EXTENSIONS})

    async def _live(self, _request: HttpRequest) -> Response:
        await self._bridge.ask(lambda: None)
        return answer({"live": True})

    async def _ready(self, _request: HttpRequest) -> Response:
        ready = await self._bridge.ask(self._serving)
        return answer({"ready": ready}, 200 if ready else 503)

    async def _model_ready(self, request: HttpRequest) -> Response:
        name = request.path_params["model"]
        try:
            self._find(request)
        except ModelNotFound:
            return answer({"name": name, "ready": False}, 503)
        return answer({"name": name, "ready": True})

    async def _metadata(self, request: HttpRequest) -> Response:
        def write() -> dict[str, object]:
            model = self._find(request)
            versions = [m.version.number for m in self._catalog if m.version.name == model.version.name]
            return document_of(write_metadata(model, versions))

        return answer(await self._bridge.ask(write))

    async def _config(self, request: HttpRequest) -> Response:
        samples = self._limits.samples
        return answer(document_of(await self._bridge.ask(lambda: write_config(self._find(request), samples))))

    async def _statistics(self, request: HttpRequest) -> Response:
        def write() -> list[dict[str, object]]:
            models = list(self._catalog)
            if "model" in request.path_params:
                found, name = self._find(request), request.path_params["model"]
                one = "version" in request.path_params
                models = [found] if one else [model for model in models if model.version.name == name]
            return [document_of(write_statistics(model)) for model in models]

        return answer({"model_stats": await self._bridge.ask(write)})

    async def _run(self, request: HttpRequest) -> Response:
        deadline, trace = deadline_after(self._seconds), trace_of(tuple(request.headers.items()))
        header, model, number = _header(request), request.path_params["model"], request.path_params.get("version", "")
        client = self._client_of(request)
        body = await self._bodies.read(request)
        try:
            if header == 0:
                asked = read_raw(body.content, self._find(request).version.signature, model, number)
            else:
                asked = read_infer(body.content, header, model, number)
        finally:
            body.close()

        def begin(give: Callable[[ModelInferResponse], None], fail: Fail) -> Callable[[], None]:
            return self._infer.begin(asked.message, asked.size, deadline, trace, client, give, fail)

        response = await unless_gone(request, self._bridge.begin(begin))
        written, ends = write_infer(response, asked)
        headers = {"content-type": "application/json"}
        if ends is not None:
            headers = {"content-type": "application/octet-stream", _HEADER: str(ends)}
        return _packed(request, written, headers)

    async def _index(self, request: HttpRequest) -> Response:
        ready = (await self._document(request)).get("ready") is True
        index = await self._bridge.ask(lambda: write_index(self._catalog, self._repository, ready=ready))
        return answer([document_of(model) for model in index.models])

    async def _load(self, request: HttpRequest) -> Response:
        return await self._change(request, self._repository.load)

    async def _unload(self, request: HttpRequest) -> Response:
        return await self._change(request, self._repository.unload)

    async def _change(self, request: HttpRequest, change: Callable[..., None]) -> Response:
        if not self._control:
            text = "models are loaded and unloaded by their folders; repository_control is off on this server"
            return answer({"error": text}, 403)
        parameters = (await self._document(request)).get("parameters") or {}
        if not isinstance(parameters, dict) or set(parameters) - {"unload_dependents"}:
            raise _wrong("parameters", "not served; a model is loaded as it lies in the repository")
        name = request.path_params["model"]

        def begin(give: Answer[None], fail: Fail) -> Callable[[], None]:
            def then(error: CarouselError | None) -> None:
                if error is None:
                    give(None)
                else:
                    fail(error)

            change(name, then)
            return lambda: None

        await self._bridge.begin(begin)
        return Response()

    async def _document(self, request: HttpRequest) -> dict[str, object]:
        """Read a body that may be left out."""
        body = await self._bodies.read(request)
        try:
            document = read_document(body.content) if body.content.strip() else {}
        finally:
            body.close()
        if not isinstance(document, dict):
            raise _wrong("body", "is no object")
        return document

    def _find(self, request: HttpRequest) -> Model:
        number, label = read_version(request.path_params.get("version", ""))
        return self._catalog.find(request.path_params["model"], number, label)


async def _refuse(because: str, _request: HttpRequest) -> Response:
    return answer({"error": because}, 501)


def _header(request: HttpRequest) -> int | None:
    """Read how many bytes of the body are JSON; None where all are."""
    said = request.headers.get(_HEADER)
    if said is None:
        return None
    if not (said.isascii() and said.isdigit() and len(said) <= _MAX_DIGITS):
        raise _wrong("Inference-Header-Content-Length", f"is {said[:32]!r}, expected a number of bytes")
    return int(said)


def _packed(request: HttpRequest, body: bytes, headers: dict[str, str]) -> Response:
    """Compress an answer where the client asks for just that, as Triton does."""
    accepted = request.headers.get("accept-encoding", "")
    for name, bits in (("gzip", zlib.MAX_WBITS + 16), ("deflate", zlib.MAX_WBITS)):
        if accepted == name:
            packer = zlib.compressobj(1, wbits=bits)
            return Response(packer.compress(body) + packer.flush(), headers=headers | {"content-encoding": name})
    return Response(body, headers=headers)


def _wrong(field: str, found: str) -> InvalidRequest:
    return InvalidRequest((Violation(field, found),))
