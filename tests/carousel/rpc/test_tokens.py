"""Models of tokens: an Embedding with a mask and a Bidirectional LSTM, served by both protocols as Keras answers."""

import grpc
import keras
import numpy as np
import pytest
from keras import layers

from carousel.client import Client
from carousel.errors import InvalidRequest
from carousel.stubs.oip import open_inference_pb2 as oip
from carousel.stubs.oip.open_inference_pb2_grpc import GRPCInferenceServiceStub
from carousel_models.export import export

TEXTS = [[3, 1, 4, 1, 5], [9, 2], [6, 5, 3, 5, 8, 9, 7, 9, 3], [0, 0, 2, 0]]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    keras.utils.set_random_seed(3)
    repository = tmp_path_factory.mktemp("tokens")
    embedding = [layers.Input((None,), dtype="int32"), layers.Embedding(10, 4, mask_zero=True)]
    classifier = keras.Sequential([*embedding, layers.Bidirectional(layers.LSTM(5)), layers.Dense(2, "softmax")])
    stepwise = keras.Sequential([*embedding, layers.LSTM(5)])
    for name, model in (("classifier", classifier), ("stepwise", stepwise)):
        export(model, repository, name)
    return repository, {"classifier": classifier, "stepwise": stepwise}


@pytest.mark.parametrize("name", ["classifier", "stepwise"])
def test_texts_of_any_length_are_answered_as_keras_answers_each_alone(server, models, name):
    repository, kept = models
    with Client(server(repository=repository).target) as client:
        answers = client.predict(name, TEXTS)
        for text, answer in zip(TEXTS, answers, strict=True):
            np.testing.assert_allclose(answer.output, kept[name](np.array([text], np.int32))[0], atol=1e-5)
            [alone] = client.predict(name, [np.array(text, np.int32)])
            assert answer.output.tobytes() == alone.output.tobytes()


def test_a_live_sequence_takes_token_after_token(server, models):
    repository, _ = models
    text = TEXTS[2]
    with Client(server(repository=repository).target) as client, client.live("stepwise") as sequence:
        last = [sequence.feed([token]).output for token in text][-1]
        [whole] = client.predict("stepwise", [text])
        assert last.tobytes() == whole.output.tobytes()


def test_a_token_outside_the_vocabulary_is_refused_by_its_place(server, models):
    """One bad token would otherwise fail every sequence of its batch; 2**40 must not wrap into the vocabulary."""
    repository, _ = models
    with Client(server(repository=repository).target) as client:
        for token in (10, -1, 2**40 + 1):
            found = f"holds token {token} at timestep 1; the model knows 0 to 9"
            with pytest.raises(InvalidRequest, match=f"inputs.1..content: {found}"):
                client.predict("classifier", [[1, 2], [3, token]])
        with pytest.raises(InvalidRequest, match="is float32, expected int32"):
            client.predict("classifier", [[[0.5]]])


def test_the_open_inference_protocol_takes_tokens(server, models):
    repository, kept = models
    tokens = np.array([TEXTS[0], [*TEXTS[1], 0, 0, 0]], "<i8")
    request = oip.ModelInferRequest(model_name="classifier")
    request.inputs.add(name="inputs", datatype="INT64", shape=tokens.shape)
    request.raw_input_contents.append(tokens.tobytes())
    with grpc.insecure_channel(server(repository=repository).target) as channel:
        stub = GRPCInferenceServiceStub(channel)
        metadata = stub.ModelMetadata(oip.ModelMetadataRequest(name="classifier"))
        assert [(i.name, i.datatype, list(i.shape)) for i in metadata.inputs] == [("inputs", "INT32", [-1, -1])]
        response = stub.ModelInfer(request)
        place = [output.name for output in response.outputs].index("last_step")
        answer = np.frombuffer(response.raw_output_contents[place], "<f4").reshape(2, 2)
        np.testing.assert_allclose(answer, kept["classifier"](tokens), atol=1e-5)
