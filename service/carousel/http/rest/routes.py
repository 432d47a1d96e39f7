"""What answers the paths of models: predict, status, metadata, and the list of models."""

from collections.abc import Callable

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from carousel.errors import InvalidRequest, ModelNotFound, Violation, shortened
from carousel.http.bodies import Bodies
from carousel.http.bridge import Bridge, deadline_after
from carousel.http.disconnect import unless_gone
from carousel.http.documents import numbers, read_document
from carousel.http.failures import answer, answering_errors
from carousel.http.rest.descriptions import metadata, status
from carousel.http.rest.paths import Path, malformed, read_path
from carousel.http.rest.reading import read_predict, read_samples
from carousel.serving import Catalog, Face, Limits, Pending, Request, Tensors, Version, faces
from carousel.tensors import Samples
from carousel.wire import trace_of

_TRIES = 3
"""A version may be swapped between the look at it and the request: the newest is asked again then."""


class Rest:
    """TensorFlow Serving's paths.

    Attributes:
        routes: What answers them; the last takes every path under /v1.
    """

    def __init__(
        self,
        bridge: Bridge,
        catalog: Catalog,
        bodies: Bodies,
        limits: Limits,
        client_of: Callable[[HttpRequest], str],
        seconds: float,
    ) -> None:
        """Answer them; `client_of` says whose a request is. One is given up after `seconds`, 0 for never."""
        self._bridge = bridge
        self._catalog = catalog
        self._bodies = bodies
        self._limits = limits
        self._client_of = client_of
        self._seconds = seconds
        self.routes: list[BaseRoute] = [
            Route("/v1/models", answering_errors(self._list), methods=["GET"]),
            Route("/v1/{rest:path}", answering_errors(self._model), methods=["GET", "POST", "HEAD", "PUT", "DELETE"]),
        ]

    async def _list(self, _request: HttpRequest) -> Response:
        """List the models, as KServe's clients ask for it."""
        return answer({"models": sorted(self._catalog.names)})

    async def _model(self, request: HttpRequest) -> Response:
        raw = request.scope["raw_path"].decode("latin-1")
        path = read_path(request.method, raw)
        if request.method == "POST" and path.rest == ":predict":
            return await self._predict(request, path)
        if request.method == "POST" and path.rest in {":classify", ":regress"}:
            found = f"{path.rest[1:]} is not served: it takes tf.Example, which no Keras model does; use :predict"
            raise InvalidRequest((Violation("", found),))
        if request.method == "GET" and path.rest == "":
            return answer(await self._bridge.ask(lambda: status(self._catalog, path)))
        if request.method == "GET" and path.rest == "/metadata":
            return answer(metadata(self._version(path)))
        raise malformed(request.method, raw)

    async def _predict(self, request: HttpRequest, path: Path) -> Response:
        deadline, trace = deadline_after(self._seconds), trace_of(request.headers.items())
        client = self._client_of(request)
        body = await self._bodies.read(request)
        try:
            predict = read_predict(read_document(body.content))
        finally:
            body.close()
        for left in reversed(range(_TRIES)):
            version = self._version(path)
            face = faces(version).get(predict.signature)
            if face is None:
                found = f'Serving signature name: "{shortened(predict.signature)}" not found in signature def'
                raise InvalidRequest((Violation("", found),))
            samples = read_samples(predict, face, self._limits.samples)
            asked = _request(version, face, samples, deadline, trace, client)
            try:
                pending = await unless_gone(request, self._bridge.answer(asked))
            except ModelNotFound:
                if path.version or not left:
                    raise
            else:
                return answer(_written(pending, face, rows=predict.rows))
        raise AssertionError  # the last try raises or answers

    def _version(self, path: Path) -> Version:
        """Find a version, and say what is not there in the words that TensorFlow Serving's clients look for."""
        try:
            return self._catalog.find(path.name, path.version, path.label).version
        except ModelNotFound as error:
            if path.label and path.name in self._catalog.names:
                found = f"Unrecognized servable version label: {shortened(path.label)}"
                raise InvalidRequest((Violation("", found),)) from error
            raise ModelNotFound(f"Servable not found for request: {path}. {error.message}") from error


def _request(version: Version, face: Face, samples: list[Samples], deadline: float, trace: str, client: str) -> Request:
    every_step = face.gives.timewise()
    tensors = Tensors(samples, lambda i, part: f"instances[{i}].{part}", return_sequences=every_step)
    return Request(
        model=version.name,
        version=version.number,
        label="",
        samples=len(samples),
        lengths=lambda: [len(sample) for sample in samples],
        size=sum(sample.nbytes for sample in samples),
        wants_sequences=every_step,
        read=lambda _version: tensors,
        deadline=deadline,
        trace=trace,
        client=client,
        signature=face.name,
    )


def _written(pending: Pending, face: Face, *, rows: bool) -> dict[str, object]:
    """Write the answer in the form of the request: sample by sample, or tensor by tensor."""
    outputs = [sequence.output for sequence in pending.sequences if sequence.output is not None]
    names = face.gives.names
    samples = [{name: numbers(array) for name, array in each.items()} for each in face.split(outputs, names)]
    if rows:
        return {"predictions": [each[names[0]] if len(names) == 1 else each for each in samples]}
    tensors = {name: [each[name] for each in samples] for name in names}
    return {"outputs": tensors[names[0]] if len(names) == 1 else tensors}
