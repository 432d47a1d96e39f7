"""TensorFlow Serving's REST interface: its paths, both its forms, its numbers and its errors."""

import gzip
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.carousel.http.bits import equal_bits


def draw(shape, seed=0):
    """Random float32."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def predict(web, model, document, **options):
    """Ask, and give what stands under the answer's one key."""
    response = web.post(f"/v1/models/{model}:predict", content=json.dumps(document), **options)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    [value] = response.json().values()
    return value


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=6), seed=st.integers(0, 2**16))
@pytest.mark.parametrize("signature", ["last_step", "sequence"])
def test_every_answer_is_that_of_carousel_v1_bit_for_bit(web, client, signature, lengths, seed):
    """Sequences of unequal length too, which the original refuses."""
    sequences = [draw((length, 3), seed + i) for i, length in enumerate(lengths)]
    document = {"signature_name": signature, "instances": [steps.tolist() for steps in sequences]}
    answers = predict(web, "small", document)
    expected = client.predict("small", sequences, return_sequences=signature == "sequence")
    assert len(answers) == len(expected)
    assert all(equal_bits(answer, known.output) for answer, known in zip(answers, expected, strict=True))


def test_both_forms_and_every_way_to_name_an_input_give_the_same(web):
    steps = draw((2, 5, 3)).tolist()
    [name] = web.get("/v1/models/small/metadata").json()["metadata"]["signature_def"]["signature_def"][
        "serving_default"
    ]["inputs"]
    answers = [
        predict(web, "small", document)
        for document in (
            {"instances": steps},
            {"instances": [{name: each} for each in steps]},
            {"inputs": steps},
            {"inputs": {name: steps}},
            {"signature_name": "serving_default", "instances": steps},
        )
    ]
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize("path", ["small", "small/versions/1", "SMALL".lower(), "%73mall"])
def test_a_model_is_found_by_every_form_of_its_path(web, path):
    assert predict(web, path, {"instances": [[[1, 2, 3]]]})


def test_numbers_are_those_of_tensorflow_serving(web):
    """Whole ones are taken for floats; what comes back has as few digits as a float32 needs."""
    body = b'{"instances": [[[1, 2e0, 3]]]}'
    response = web.post("/v1/models/small:predict", content=body)
    [[first, second]] = response.json()["predictions"]
    assert str(np.float32(first)) in response.text
    assert str(np.float32(second)) in response.text


def test_a_gzipped_body_is_inflated(web):
    packed = gzip.compress(b'{"instances": [[[1, 2, 3]]]}')
    response = web.post("/v1/models/small:predict", content=packed, headers={"content-encoding": "gzip"})
    assert response.json() == {"predictions": [predict(web, "small", {"instances": [[[1, 2, 3]]]})[0]]}


def test_status_metadata_and_the_list_say_what_is_served(web, serving):
    names = web.get("/v1/models").json()["models"]
    assert names == sorted(serving.on_loop(lambda: serving.server._catalog.names))
    one = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in ("/v1/models/small", "/v1/models/small/versions/1"):
        assert web.get(path).json() == {"model_version_status": [one]}
    said = web.get("/v1/models/stack/metadata").json()
    assert said["model_spec"] == {"name": "stack", "signature_name": "", "version": "1"}
    signatures = said["metadata"]["signature_def"]["signature_def"]
    assert {"serving_default", "sequence", "last_step"} <= set(signatures)
    [taken] = signatures["serving_default"]["inputs"].values()
    assert taken["dtype"] == "DT_FLOAT"
    assert [dim["size"] for dim in taken["tensor_shape"]["dim"]] == ["-1", "-1", "64"]


STEPS = [[[1, 2, 3]]]
REFUSED = {
    "empty": (b"", 400, "JSON Parse error: The document is empty"),
    "no json": (b"{", 400, "JSON Parse error: Invalid value. at offset: 1"),
    "no object": (b"[]", 400, "JSON Value: [] Is not object"),
    "deep": (b"[" * 100_000, 400, "JSON Parse error: "),
    "neither key": ({"a": 1}, 400, "Missing 'inputs' or 'instances' key"),
    "both keys": ({"inputs": 1, "instances": 1}, 400, "JSON Value: "),
    "no list": ({"instances": 1}, 400, "JSON Value: 1 Expecting 'instances' to be an list/array"),
    "no values": ({"instances": []}, 400, "JSON Value: [] No values in 'instances' array"),
    "strings": ({"instances": [[["a", "b", "c"]]]}, 400, "instances[0]: JSON Value: "),
    "null": ({"instances": [[[None, 1, 2]]]}, 400, "instances[0]: JSON Value: "),
    "ragged inside": ({"instances": [[[1, 2, 3], [1]]]}, 400, "instances[0]: its lists differ in length"),
    "width": ({"instances": [[[1, 2]]]}, 400, "instances[0]."),
    "no timesteps": ({"instances": [[]]}, 400, "instances[0]."),
    "keys": ({"instances": [{"y": 1}]}, 400, "Failed to process element: 0 of 'instances' list. JSON object: "),
    "signature": ({"signature_name": "s", "instances": STEPS}, 400, 'Serving signature name: "s" not found'),
    "signature type": ({"signature_name": 1, "instances": STEPS}, 400, "JSON Value: "),
    "not a number": (b'{"instances": [[[NaN, 1, 2]]]}', 400, "instances[0].content: holds nan at timestep 0"),
    "column that is missing": ({"inputs": {"y": STEPS}}, 400, "Missing named input: "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_said_in_its_words(web, case):
    sent, status, said = REFUSED[case]
    content = sent if isinstance(sent, bytes) else json.dumps(sent)
    response = web.post("/v1/models/small:predict", content=content)
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    assert response.json()["error"].startswith(said)


PATHS = {
    "model": ("GET", "/v1/models/none", 404, "Could not find any versions of model none"),
    "version": ("GET", "/v1/models/small/versions/9", 404, "Could not find version 9 of model small"),
    "label": ("GET", "/v1/models/small/labels/no", 400, "Unrecognized servable version label: no"),
    "predict": ("POST", "/v1/models/none:predict", 404, "Servable not found for request: Latest(none)"),
    "predict version": ("POST", "/v1/models/small/versions/9:predict", 404, "Servable not found for request: Specific"),
    "too large": ("GET", f"/v1/models/small/versions/{2**70}", 400, "Failed to convert version: "),
    "malformed": ("GET", "/v1/nothing", 400, "Malformed request: GET /v1/nothing"),
    "both": ("GET", "/v1/models/small/versions/1/labels/a", 400, "Malformed request: GET /v1/models/small"),
    "method": ("PUT", "/v1/models/small", 400, "Malformed request: PUT /v1/models/small"),
    "classify": ("POST", "/v1/models/small:classify", 400, "classify is not served"),
    "elsewhere": ("GET", "/elsewhere", 404, "there is no GET /elsewhere here"),
}


@pytest.mark.parametrize("case", PATHS)
def test_what_is_not_there_is_said_in_its_words(web, case):
    method, path, status, said = PATHS[case]
    response = web.request(method, path, content=json.dumps({"instances": STEPS}) if method == "POST" else None)
    assert response.status_code == status
    assert response.json()["error"].startswith(said)


def test_a_hot_reload_fails_no_request(server, repository, tmp_path):
    """The version that was looked at may be gone by the time its request is let in."""
    import httpx  # noqa: PLC0415

    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "1").symlink_to(repository / "small" / "1")
    swapped = server(repository=tmp_path, settle_seconds=0)
    with httpx.Client(base_url=swapped.metrics.removesuffix("/metrics"), timeout=30) as web:
        for number in range(2, 8):
            (folder / str(number)).symlink_to(repository / "small" / "1")
            while web.get("/v1/models/small").json()["model_version_status"][0]["version"] != str(number):
                assert predict(web, "small", {"instances": STEPS})
