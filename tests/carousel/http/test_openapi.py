"""/openapi.json is true: it has every path that is served and no other, and answers have the forms that it says."""

import json
import re

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from starlette.routing import Route, WebSocketRoute

INFER = {"inputs": [{"name": "inputs", "shape": [1, 2, 3], "datatype": "FP32", "data": [1, 2, 3, 4, 5, 6]}]}
BODIES = {":predict": {"instances": [[[1, 2, 3]]]}, "/infer": INFER, "/index": {"ready": True}}
GIVEN = {"{model}": "small", "{version}": "1", "{label}": "none", "{file}": "page.js", "{rest}": "status"}
REST = [
    f"/v1/models/{{model}}{of}{what}"
    for of in ("", "/versions/{version}", "/labels/{label}")
    for what in ("", "/metadata", ":predict")
]
"""What the one route of TensorFlow Serving's paths takes."""


@pytest.fixture(scope="module")
def document(web):
    return web.get("/openapi.json").json()


def site_of(serving):
    """Give every route of the application that serves."""
    return serving.server._endpoint._server.config.app.routes


def operations(document):
    """Every operation: path, method, and what is said of it."""
    for path, said in document["paths"].items():
        for method in said.keys() & {"get", "post"}:
            yield path, method, said[method]


def test_it_is_valid(document):
    validate(document)
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert named <= document["components"]["schemas"].keys()


def test_every_route_is_in_it(serving, document):
    """With each of its methods."""
    found = set()
    for route in site_of(serving):
        path = re.sub(r"\{(\w+):path\}", r"{\1}", route.path)
        if path == "/v1/{rest}":
            found |= {(each, "post" if each.endswith(":predict") else "get") for each in REST}
        elif isinstance(route, WebSocketRoute):
            found.add((path, "get"))
        else:
            assert isinstance(route, Route)
            path = "/page/{file}" if re.fullmatch(r"/page/\w+\.\w+", path) else path
            found |= {(path, method.lower()) for method in route.methods - {"HEAD"}}
    assert found == {(path, method) for path, method, _ in operations(document)}


def test_every_operation_is_served_and_answers_as_it_says(web, document):
    """With one of its codes, and a body of its form."""
    for path, method, said in operations(document):
        place = path
        for name, value in GIVEN.items():
            place = place.replace(name, value)
        body = next((body for end, body in BODIES.items() if path.endswith(end)), None)
        response = web.request(method, place, json=body)
        what = f"{method} {place}: {response.status_code} {response.text[:200]}"
        assert not re.search("there is no|Malformed", response.text), what
        described = said["responses"].get(str(response.status_code))
        assert described is not None, what
        content = described.get("content", {})
        if not content:
            continue
        kind = response.headers["content-type"].partition(";")[0]
        assert kind in content or kind.startswith(tuple(each.rstrip("*") for each in content)), what
        if kind == "application/json":
            schema = {**content[kind]["schema"], "components": document["components"]}
            Draft202012Validator(schema).validate(response.json())
        if body is not None and response.status_code == 200:
            asked = said["requestBody"]["content"]["application/json"]["schema"]
            Draft202012Validator({**asked, "components": document["components"]}).validate(body)


def test_what_it_says_of_live_messages_is_what_is_taken(document):
    """Its keys are those of the reader."""
    from carousel.http.live import messages  # noqa: PLC0415 - its names are its own

    properties = document["components"]["schemas"]["LiveMessage"]["properties"]
    assert properties.keys() == messages._KEYS
    assert properties["open"]["properties"].keys() == messages._OPEN_KEYS
