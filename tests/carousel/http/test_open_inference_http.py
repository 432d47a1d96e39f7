"""The Open Inference Protocol over HTTP: Triton's stock client, and what any other may send."""

import json
import zlib

import numpy as np
import pytest
import tritonclient.http as triton
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.carousel.http.bits import equal_bits


def draw(*shape, seed=0):
    """Random float32."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.fixture(scope="module")
def stock(address):
    """Triton's client, as it comes."""
    with triton.InferenceServerClient(f"{address[0]}:{address[1]}") as stock:
        yield stock


@pytest.fixture(scope="module")
def address(serving):
    return "127.0.0.1", serving.server.http_port


def tensor(array, *, name="inputs", binary=True):
    """Give the client an input."""
    words = {"float32": "FP32", "float64": "FP64", "float16": "FP16", "int32": "INT32"}
    one = triton.InferInput(name, list(array.shape), words[array.dtype.name])
    one.set_data_from_numpy(array, binary_data=binary)
    return one


def test_the_server_and_its_models_are_live_ready_and_described(stock):
    assert stock.is_server_live()
    assert stock.is_server_ready()
    assert stock.is_model_ready("stack")
    assert stock.is_model_ready("stack", "1")
    assert not stock.is_model_ready("stack", "7")
    assert not stock.is_model_ready("nothing")
    assert "binary_tensor_data" in stock.get_server_metadata()["extensions"]
    model = stock.get_model_metadata("stack")
    assert (model["name"], model["versions"], model["platform"]) == ("stack", ["1"], "tensorflow_savedmodel")
    assert model["inputs"] == [{"name": "inputs", "datatype": "FP32", "shape": [-1, -1, 64]}]
    config = stock.get_model_config("stack")
    assert (config["name"], config["max_batch_size"], config["input"][0]["dims"]) == ("stack", 4096, [-1, 64])
    assert config["input"][0]["data_type"] == "TYPE_FP32"
    index = [(each["name"], each["version"], each["state"]) for each in stock.get_model_repository_index()]
    assert ("stack", "1", "READY") in index


@settings(max_examples=20, deadline=None)
@given(shape=st.tuples(st.integers(1, 4), st.integers(1, 30)), sent=st.booleans(), back=st.booleans())
def test_every_answer_is_that_of_carousel_v1_bit_for_bit(stock, client, shape, sent, back):
    """In JSON and in binary, each way."""
    inputs = draw(*shape, 3, seed=sum(shape))
    wanted = [triton.InferRequestedOutput(name, binary_data=back) for name in ("sequence", "last_step")]
    answer = stock.infer("small", [tensor(inputs, binary=sent)], outputs=wanted, request_id="echoed")
    full = np.stack([each.output for each in client.predict("small", list(inputs), return_sequences=True)])
    assert equal_bits(answer.as_numpy("sequence"), full)
    assert equal_bits(answer.as_numpy("last_step"), full[:, -1])
    said = answer.get_response()
    assert (said["id"], said["model_name"], said["model_version"]) == ("echoed", "small", "1")


@pytest.mark.parametrize("packed", ["gzip", "deflate"])
def test_bodies_are_compressed_both_ways(stock, packed):
    inputs = draw(2, 9, 3)
    options = {"request_compression_algorithm": packed, "response_compression_algorithm": packed}
    plain, small = (stock.infer("small", [tensor(inputs)], **each) for each in ({}, options))
    assert equal_bits(small.as_numpy("sequence"), plain.as_numpy("sequence"))


def test_a_live_sequence_is_that_of_one_call(stock, client):
    """By number and by text, and to the end; a step out of order is refused."""
    inputs = draw(1, 12, 3)
    [whole] = client.predict("small", list(inputs), return_sequences=True)
    for key in (2**64 - 1, "by text"):
        steps = [
            stock.infer(
                "small", [tensor(inputs[:, i : i + 4])], sequence_id=key, sequence_start=i == 0, sequence_end=i == 8
            ).as_numpy("sequence")[0]
            for i in (0, 4, 8)
        ]
        assert equal_bits(np.concatenate(steps), whole.output)
        with pytest.raises(triton.InferenceServerException, match="has ended"):
            stock.infer("small", [tensor(inputs)], sequence_id=key)


def test_statistics_count_what_was_asked(stock):
    def counted():
        [stats] = stock.get_inference_statistics("relu50")["model_stats"]
        return stats["inference_count"], stats["inference_stats"]["success"]["count"]

    samples, requests = counted()
    stock.infer("relu50", [tensor(draw(3, 10, 1))])
    assert counted() == (samples + 3, requests + 1)
    assert {"relu50", "small"} <= {each["name"] for each in stock.get_inference_statistics()["model_stats"]}


def test_a_raw_body_is_the_one_input(web, client):
    inputs = draw(7, 3)
    response = web.post(
        "/v2/models/small/infer", content=inputs.tobytes(), headers={"Inference-Header-Content-Length": "0"}
    )
    length = int(response.headers["inference-header-content-length"])
    sizes = [each["parameters"]["binary_data_size"] for each in json.loads(response.content[:length])["outputs"]]
    sequence = np.frombuffer(response.content[length : length + sizes[0]], np.float32)
    assert equal_bits(sequence, client.predict("small", [inputs], return_sequences=True)[0].output)
    assert len(response.content) == length + sum(sizes)


def test_models_are_loaded_and_unloaded_where_that_is_allowed(stock, server):
    with pytest.raises(triton.InferenceServerException, match="repository_control is off"):
        stock.unload_model("small")
    allowed = server(repository_control=True)
    with triton.InferenceServerClient(f"127.0.0.1:{allowed.server.http_port}") as control:
        control.unload_model("small")
        assert not control.is_model_ready("small")
        control.load_model("small")
        assert control.is_model_ready("small")
        with pytest.raises(triton.InferenceServerException):
            control.load_model("nothing")


def asked(**changes):
    """Give a request that is right but for what is changed."""
    one = {"name": "inputs", "datatype": "FP32", "shape": [1, 1, 3], "data": [1, 2, 3]}
    return {"inputs": [one | changes]}


HUGE = [2**31 - 1] * 8
REFUSED = {
    "no json": (b"{", "JSON Parse error: Invalid value. at offset: 1"),
    "no object": ([], "body: is no object"),
    "no inputs": ({}, "inputs: is missing"),
    "inputs that are no list": ({"inputs": 1}, "inputs: is no list"),
    "many inputs": ({"inputs": [{}] * 300}, "inputs: names 300 tensors, the limit is 256"),
    "input that is no object": ({"inputs": [1]}, "inputs[0]: is no object"),
    "id": ({"id": 7}, "id: is no string"),
    "half a character": (b'{"id": "\\ud800"}', "JSON Parse error"),
    "name": (asked(name=1), "inputs[0].name: is no string"),
    "unknown name": (asked(name="x"), "inputs[0].name: is 'x', expected one of inputs"),
    "datatype": (asked(datatype="BYTES"), "inputs.datatype: is BYTES, expected FP32"),
    "half": (asked(datatype="FP16"), "inputs[0].data: FP16 has no form in JSON"),
    "no shape": (asked(shape=None), "inputs[0].shape: is no list"),
    "rank": (asked(shape=[1] * 100), "inputs[0].shape: is no list of at most 8"),
    "negative": (asked(shape=[1, -1, 3]), "inputs[0].shape: is no list"),
    "bool": (asked(shape=[True, 1, 3]), "inputs[0].shape: is no list"),
    "claim": (asked(shape=HUGE), "inputs[0].data: has 3 elements, the shape "),
    "count": (asked(data=[1, 2]), "inputs[0].data: has 2 elements, the shape [1, 1, 3] needs 3"),
    "strings": (asked(data=["a"] * 3), "inputs[0].data: JSON Value: "),
    "ragged": (asked(data=[[1], [2, 3]]), "inputs[0].data: its lists differ in length"),
    "deep": (b'{"inputs":[{"data":' + b"[" * 90_000, "JSON Parse error"),
    "no data": ({"inputs": [{"name": "inputs", "datatype": "FP32", "shape": [1]}]}, "inputs[0].data: is missing"),
    "null": (asked(data=None), "inputs[0].data: JSON Value: null"),
    "parameters": ({"parameters": 1}, "parameters: is no object"),
    "parameter": ({"parameters": {"a": [1]}}, "parameters.a: is no string"),
    "sequence": (asked() | {"parameters": {"sequence_id": 9}}, "parameters.sequence_id: 9 is not open"),
    "output": (asked() | {"outputs": [{"name": "x"}]}, "outputs[0].name: is 'x', expected one of"),
    "twice": (asked() | {"outputs": [{"name": "sequence"}] * 2}, "outputs[1].name: is 'sequence' for a second time"),
    "flag": (asked() | {"parameters": {"binary_data_output": 1}}, "parameters.binary_data_output: is neither"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_named(web, case):
    sent, said = REFUSED[case]
    response = web.post("/v2/models/small/infer", content=sent if isinstance(sent, bytes) else json.dumps(sent))
    assert response.status_code == 400, response.text
    assert list(response.json()) == ["error"]
    assert response.json()["error"].startswith(said)


BINARY = {"name": "inputs", "datatype": "FP32", "shape": [1, 1, 3]}


@pytest.mark.parametrize(
    ("size", "sent", "header", "said"),
    [
        (12, 12, "no", "Inference-Header-Content-Length: is 'no'"),
        (12, 12, "9" * 30, "Inference-Header-Content-Length: is "),
        (12, 12, "100000", "Inference-Header-Content-Length: is 100000, and the body has "),
        (13, 12, None, "inputs[0].parameters.binary_data_size: is not in 0 to 12"),
        (-1, 12, None, "inputs[0].parameters.binary_data_size: is not in 0 to 12"),
        (2**70, 12, None, "inputs[0].parameters.binary_data_size: is not in 0 to 12"),
        (12, 20, None, "body: has 8 bytes after the last input's"),
        (8, 8, None, "inputs.contents: has 8 bytes, shape [1, 1, 3] of FP32 needs 12"),
    ],
)
def test_binary_that_does_not_fit_is_named(web, size, sent, header, said):
    text = json.dumps({"inputs": [BINARY | {"parameters": {"binary_data_size": size}}]}).encode()
    headers = {"Inference-Header-Content-Length": header or str(len(text))}
    response = web.post("/v2/models/small/infer", content=text + bytes(sent), headers=headers)
    assert response.status_code == 400
    assert response.json()["error"].startswith(said), response.text


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=8), st.data()
)
def test_whatever_is_sent_is_refused_by_name_and_the_next_is_answered(web, value, data):
    """Any value in any place; no bug of the server's is ever the answer."""
    document = asked()
    key = data.draw(st.sampled_from([*document["inputs"][0], "inputs", "outputs", "parameters", "id"]))
    (document["inputs"][0] if key in document["inputs"][0] else document)[key] = value
    response = web.post("/v2/models/small/infer", content=json.dumps(document))
    assert response.status_code in {200, 400}, response.text


def test_what_is_not_served_says_so(web):
    for path in ("systemsharedmemory/status", "cudasharedmemory/status", "logging", "trace/setting"):
        response = web.get(f"/v2/{path}")
        assert response.status_code == 501
        assert list(response.json()) == ["error"]
    assert web.get("/v2/models/none").status_code == 404
    assert web.get("/v2/models/small/infer").status_code == 405
    assert web.get("/v2/none").status_code == 404
    lie = web.post(
        "/v2/models/small/infer", content=zlib.compress(b"{}")[:-1] + b"x", headers={"content-encoding": "deflate"}
    )
    assert lie.status_code == 400
