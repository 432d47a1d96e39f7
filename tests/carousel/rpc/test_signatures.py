"""Every signature of a SavedModel that others made answers TensorFlow Serving's clients, by its name."""

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from carousel.artifact import disagreement
from carousel.errors import ModelRejected
from carousel.serving import load_version
from tests.carousel.serving.test_foreign import ARCHIVES, unpacked


@pytest.fixture(scope="module")
def served(tmp_path_factory, started):
    """A SavedModel of two signatures; what was recorded of the one, and the inputs."""
    repository = tmp_path_factory.mktemp("repository")
    archive = next(archive for archive in ARCHIVES if archive.stem == "two_signatures")
    _, inputs, outputs = unpacked(archive, repository)
    serving = started(repository=repository)
    try:
        base = serving.metrics.removesuffix("/metrics")
        with grpc.insecure_channel(serving.target) as channel, httpx.Client(base_url=base) as web:
            yield prediction_service_pb2_grpc.PredictionServiceStub(channel), web, inputs["signal"], outputs["smooth"]
    finally:
        serving.stop()


def predict(stub, signature, signal):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "two_signatures", signature
    request.inputs["signal"].CopyFrom(tf.make_tensor_proto(signal))
    return stub.Predict(request, timeout=30)


def test_each_signature_answers_over_grpc_by_its_name(served):
    """At once beside one another too; none is the other."""
    stub, _, signal, smooth = served
    for name, expected in (("", smooth), ("energy", (signal**2).sum(-1)), ("serving_default", smooth)):
        response = predict(stub, name, signal)
        (answer,) = map(tf.make_ndarray, response.outputs.values())
        assert disagreement(answer, expected) == ""
        assert response.model_spec.signature_name == (name or "serving_default")


def test_each_signature_answers_over_rest_by_its_name(served):
    """With the same numbers, and it is among what is described."""
    _, web, signal, smooth = served
    document = {"instances": signal.tolist()}
    for name, expected in (("serving_default", smooth), ("energy", (signal**2).sum(-1))):
        response = web.post("/v1/models/two_signatures:predict", json=document | {"signature_name": name})
        assert disagreement(np.array(response.json()["predictions"], np.float32), expected) == ""
    metadata = web.get("/v1/models/two_signatures/metadata").json()["metadata"]["signature_def"]["signature_def"]
    assert {"energy", "serving_default"} <= metadata.keys()


def test_a_signature_that_is_not_there_is_refused_by_its_name(served):
    """With the names of those that are."""
    stub, web, signal, _ = served
    with pytest.raises(grpc.RpcError, match=r'Serving signature key "power" not found.*energy'):
        predict(stub, "power", signal)
    document = {"instances": signal.tolist(), "signature_name": "power"}
    assert web.post("/v1/models/two_signatures:predict", json=document).status_code == 400


def test_strings_are_refused_by_name_with_what_to_do(tmp_path):
    """As a signature that is served; where it is one of several, the log says so and the others are served."""
    module = tf.Module()
    text = tf.TensorSpec((None,), tf.string, name="text")
    steps = tf.TensorSpec((None, None, 2), tf.float32, name="steps")
    words = tf.function(lambda text: {"length": tf.cast(tf.strings.length(text), tf.float32)}, input_signature=[text])
    total = tf.function(lambda steps: {"total": tf.reduce_sum(steps, axis=1)}, input_signature=[steps])
    tf.saved_model.save(module, str(tmp_path / "words" / "1"), signatures={"serving_default": words})
    with pytest.raises(ModelRejected, match=r"text string .*: strings are not served. Save the layers that follow"):
        load_version(tmp_path / "words" / "1")
    both = {"serving_default": total, "words": words}
    tf.saved_model.save(module, str(tmp_path / "both" / "1"), signatures=both)
    assert not load_version(tmp_path / "both" / "1").others
