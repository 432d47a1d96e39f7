"""The paths, each with what it takes and answers."""

from typing import Any

from carousel.http.openapi.schemas import Schema, ref

Operation = dict[str, Any]

_JSON = "application/json"
_PARAMETERS = {
    "model": ("The model's name.", {"type": "string"}),
    "version": ("The version's number.", {"type": "string", "pattern": "^[0-9]+$"}),
    "label": ("The label of a version.", {"type": "string"}),
    "file": ("A file of the page.", {"type": "string"}),
    "rest": ("What follows.", {"type": "string"}),
}
_FAULTS = {
    400: "The request is wrong; the sentence names every fault.",
    401: "A token is needed, or it is not known.",
    403: "The token is not for this, or the server does not allow it.",
    404: "There is no such model or version.",
    429: "The work would not be done in time: come back after `retry-after` seconds.",
    499: "The client is gone.",
    500: "A fault of the server; its log says more.",
    503: "The server is starting or going away: another one will answer.",
    504: "The request was not done in time.",
}
_INFER_HEADER = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "description": "How many bytes of the body are JSON, where tensors follow it in binary.",
    "schema": {"type": "integer", "minimum": 0},
}


def _operation(
    summary: str, answer: Operation, *, body: Operation | None = None, faults: tuple[int, ...] = (), ok: int = 200
) -> Operation:
    error = {"content": {_JSON: {"schema": ref("Error")}}}
    operation: Operation = {"summary": summary, "responses": {str(ok): answer}}
    operation["responses"] |= {str(code): {"description": _FAULTS[code], **error} for code in faults}
    if body is not None:
        operation["requestBody"] = body
    return operation


def _content(description: str, schema: Schema | None, kind: str = _JSON) -> Operation:
    return {"description": description, **({} if schema is None else {"content": {kind: {"schema": schema}}})}


def _body(name: str, *, required: bool = True) -> Operation:
    return {"required": required, "content": {_JSON: {"schema": ref(name)}}}


def _text(description: str) -> Operation:
    return _content(description, {"type": "string"}, "text/plain")


_DOOR = (401, 403)
_FOUND = (400, *_DOOR, 404)
_RUN = (*_FOUND, 429, 499, 500, 503, 504)


def _get(summary: str, name: str, faults: tuple[int, ...] = _DOOR) -> dict[str, Operation]:
    return {"get": _operation(summary, _content("The answer.", ref(name)), faults=faults)}


def _probe(summary: str, answer: Operation, not_yet: Operation) -> dict[str, Operation]:
    operation = _operation(summary, answer)
    operation["responses"]["503"] = not_yet
    operation["security"] = [{}]
    return {"get": operation}


def _file(summary: str, kind: str) -> dict[str, Operation]:
    operation = _operation(summary, _content("The file.", {"type": "object" if kind == _JSON else "string"}, kind))
    return {"get": {**operation, "security": [{}]}}


def _refused(summary: str) -> dict[str, Operation]:
    answer = _content("Is not served; the sentence says what to do.", ref("Error"))
    operation = _operation(summary, answer, faults=_DOOR, ok=501)
    return {"get": operation, "post": operation}


def _live() -> dict[str, Operation]:
    switching = {"description": "Messages `LiveMessage` and answers `LiveAnswer`, JSON in text frames, follow."}
    operation = _operation("Feed a live sequence over a WebSocket", switching, faults=(400, *_DOOR), ok=101)
    operation["responses"]["426"] = _content("The request is no WebSocket's.", ref("Error"))
    return {"get": operation}


def _infer() -> dict[str, Operation]:
    both = {_JSON: {"schema": ref("Infer")}, "application/octet-stream": {}}
    answer = {
        "description": "The answer; tensors in binary follow the JSON where that was asked for.",
        "content": {_JSON: {"schema": ref("InferAnswer")}, "application/octet-stream": {}},
    }
    body = {"required": True, "content": both}
    operation = _operation("Run sequences, or feed a live one", answer, body=body, faults=_RUN)
    return {"post": {**operation, "parameters": [_INFER_HEADER]}}


def _change(what: str) -> dict[str, Operation]:
    body = {"required": False, "content": {_JSON: {"schema": {"type": "object"}}}}
    operation = _operation(f"{what} a model, where `repository_control` is on", {"description": "Done."}, body=body)
    operation["responses"] |= _operation("", {}, faults=(*_FOUND, 500, 503))["responses"]
    operation["responses"]["200"] = {"description": "Done."}
    return {"post": operation}


def _v1_of(path: str) -> dict[str, dict[str, Operation]]:
    predict = _content("The answer, in the form of the request.", ref("Predictions"))
    asking = {"post": _operation("Run sequences", predict, body=_body("Predict"), faults=_RUN)}
    return {
        path: _get("The state of versions", "ModelStatus", _FOUND),
        f"{path}/metadata": _get("The signatures of a version", "ModelMetadata", _FOUND),
        f"{path}:predict": asking,
        f"{path}/live": _live(),
    }


def _v2_of(path: str) -> dict[str, dict[str, Operation]]:
    ready = _get("Whether a version takes requests", "Ready")
    ready["get"]["responses"]["503"] = _content("It does not.", ref("Ready"))
    return {
        path: _get("What a version takes and gives", "V2Metadata", _FOUND),
        f"{path}/ready": ready,
        f"{path}/config": _get("A version as Triton configures one", "V2Config", _FOUND),
        f"{path}/stats": _get("What was counted of a version", "V2Statistics", _FOUND),
        f"{path}/infer": _infer(),
    }


def paths() -> dict[str, dict[str, Any]]:
    """Describe every path."""
    metrics = {"get": _operation("Every metric, for Prometheus", _text("The metrics."), faults=_DOOR)}
    serving = _content("As it is asked.", ref("Ready"))
    index = _content("The versions, and those that cannot be served.", ref("Index"))
    index_body = _body("IndexRequest", required=False)
    described: dict[str, dict[str, Operation]] = {
        "/livez": _probe("Does it live", _text("It does."), _text("Its loop stands still.")),
        "/readyz": _probe("Does it answer requests", _text("It does."), _text("Not yet, or not for long.")),
        "/metrics": metrics,
        "/monitoring/prometheus/metrics": metrics,
        "/openapi.json": _file("This document", _JSON),
        "/": _file("A page that shows the server", "text/html"),
        "/page/{file}": _file("The page's own files", "text/*"),
        "/page/state": _get("What the page shows", "PageState"),
        "/v1/models": _get("The models' names", "Models"),
        **_v1_of("/v1/models/{model}"),
        **_v1_of("/v1/models/{model}/versions/{version}"),
        **_v1_of("/v1/models/{model}/labels/{label}"),
        "/v2": _get("What this server is", "Server"),
        "/v2/health/live": _probe("Does it live", _content("It does.", ref("Live")), {"description": "It does not."}),
        "/v2/health/ready": _probe("Does it answer requests", serving, serving),
        "/v2/models/stats": _get("What was counted of every version", "V2Statistics"),
        "/v2/repository/index": {"post": _operation("What there is", index, body=index_body, faults=(400, *_DOOR))},
        "/v2/repository/models/{model}/load": _change("Load"),
        "/v2/repository/models/{model}/unload": _change("Unload"),
        **_v2_of("/v2/models/{model}"),
        **_v2_of("/v2/models/{model}/versions/{version}"),
        "/v2/systemsharedmemory/{rest}": _refused("Shared memory"),
        "/v2/cudasharedmemory/{rest}": _refused("CUDA shared memory"),
        "/v2/trace/setting": _refused("Traces"),
        "/v2/logging": _refused("Log settings"),
    }
    return {path: {**operations, **_parameters_of(path)} for path, operations in described.items()}


def _parameters_of(path: str) -> dict[str, list[Operation]]:
    parameters = [
        {"name": name, "in": "path", "required": True, "description": description, "schema": schema}
        for name, (description, schema) in _PARAMETERS.items()
        if f"{{{name}}}" in path
    ]
    return {"parameters": parameters} if parameters else {}
