"""Live sequences by the names that a model's author gave, in carousel.v1 and by the Open Inference Protocol."""

import asyncio

import grpc
import keras
import numpy as np
import pytest
from keras import layers

from carousel.client import AsyncClient, Client
from carousel.errors import InvalidRequest
from carousel.stubs.oip import open_inference_pb2 as oip
from carousel.stubs.oip.open_inference_pb2_grpc import GRPCInferenceServiceStub
from carousel.stubs.v1 import inference_pb2 as pb
from carousel_models.export import export

CUTS = [1, 4, 6, 7]
STORE = np.array([0.5, -1, 2], np.float32)


@pytest.fixture(scope="module")
def target(tmp_path_factory, started):
    """Serve a model of two inputs and two heads for any length, and one of six timesteps that gives all of them."""
    repository = tmp_path_factory.mktemp("repository")
    keras.utils.set_random_seed(5)
    prices, store = keras.Input((None, 4), name="prices"), keras.Input((3,), name="store")
    both = layers.Concatenate()([layers.LSTM(5)(prices), store])
    heads = [layers.Dense(2, name="low")(both), layers.Dense(1, name="mean")(both)]
    export(keras.Model([prices, store], heads), repository, "sales")
    week = keras.Input((6, 4), name="week")
    export(keras.Model(week, layers.LSTM(3, return_sequences=True, name="days")(week)), repository, "weeks")
    serving = started(repository=repository)
    try:
        yield serving.target
    finally:
        serving.stop()


@pytest.fixture(scope="module")
def client(target):
    with Client(target) as client:
        yield client


@pytest.fixture(scope="module")
def prices():
    return np.random.default_rng(5).standard_normal((9, 4), np.float32)


def same(answer, expected):
    return {name: array.tobytes() for name, array in answer.outputs.items()} == {
        name: array.tobytes() for name, array in expected.outputs.items()
    }


def test_a_message_of_names_is_answered_as_predict_answers_all_that_came(client, prices):
    """Every head, bit for bit; what has no timesteps comes with each message."""
    with client.live("sales") as live:
        for begin, end in zip([0, *CUTS], [*CUTS, len(prices)], strict=True):
            answer = live.feed({"prices": prices[begin:end], "store": STORE})
            (expected,) = client.predict("sales", [{"prices": prices[:end], "store": STORE}])
            assert answer.outputs.keys() == {"low", "mean"}
            assert same(answer, expected)


def test_outputs_are_chosen_at_the_opening(target, client, prices):
    """The author's and Carousel's own, by an array too; on asyncio as well; and a snapshot goes on with them."""

    async def on_asyncio():
        async with AsyncClient(target) as other, other.live("sales", outputs=["mean", "sequence"]) as live:
            return await live.feed({"prices": prices[:4], "store": STORE}, return_state=True)

    first = asyncio.run(on_asyncio())
    joined = np.concatenate([prices, np.tile(STORE, (len(prices), 1))], axis=1)
    with client.live("sales", outputs=["mean", "sequence"], initial_state=first.state) as live:
        rest = live.feed(joined[4:])
    (expected,) = client.predict("sales", [joined], outputs=["mean", "sequence"])
    assert rest.outputs["mean"].tobytes() == expected.outputs["mean"].tobytes()
    both = np.concatenate([first.outputs["sequence"], rest.outputs["sequence"]])
    assert both.tobytes() == expected.outputs["sequence"].tobytes()


def test_a_window_is_answered_by_its_names_in_whole(client, prices):
    """As predict answers it: all its timesteps, once it is full."""
    with client.live("weeks") as live:
        assert not live.feed({"week": prices[:5]}).outputs
        for end in (6, 7, 9):
            answer = live.feed({"week": prices[{6: 5, 7: 6, 9: 7}[end] : end]})
            (expected,) = client.predict("weeks", [{"week": prices[end - 6 : end]}])
            assert answer.outputs["days"].shape == (6, 3)
            assert same(answer, expected)


REFUSED = {
    "an output that is not there": (
        "sales",
        {"outputs": ["high"]},
        {"prices": np.zeros((1, 4)), "store": STORE},
        r"open.outputs\[0\]: is 'high', expected one of low, mean, sequence, last_step",
    ),
    "an input that is not there": (
        "sales",
        {},
        {"price": np.zeros((1, 4)), "store": STORE},
        "sample.price: is no input of the model; it takes prices, store",
    ),
    "every window by name": (
        "weeks",
        {"return_sequences": True},
        {"week": np.zeros((1, 4))},
        "open.return_sequences: answers by name are those of the last window alone",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_meaning_is_refused_by_its_place(client, case):
    model, options, steps, words = REFUSED[case]
    with client.live(model, **options) as live, pytest.raises(InvalidRequest, match=words):
        live.feed(steps)


def test_one_message_has_either_kind_of_timesteps(target):
    """Never both."""
    both = pb.StreamRequest(key="a", open=pb.Open(model="weeks"), input=pb.Tensor(), sample=pb.Sample())
    with grpc.insecure_channel(target) as channel:
        stream = channel.stream_stream(
            "/carousel.v1.InferenceService/Stream",
            pb.StreamRequest.SerializeToString,
            pb.StreamResponse.FromString,
        )
        (answer,) = stream(iter([both]), timeout=30)
    assert "sample: stands beside input; send one of the two" in answer.failure.message


def infer(stub, week, **parameters):
    """Ask by the Open Inference Protocol; give the answer, or None where there is none."""
    tensor = oip.ModelInferRequest.InferInputTensor(name="week", datatype="FP32", shape=[1, *week.shape])
    kinds = {bool: "bool_param", int: "int64_param"}
    request = oip.ModelInferRequest(
        model_name="weeks",
        inputs=[tensor],
        outputs=[oip.ModelInferRequest.InferRequestedOutputTensor(name="days")],
        parameters={name: oip.InferParameter(**{kinds[type(value)]: value}) for name, value in parameters.items()},
        raw_input_contents=[week.tobytes()],
    )
    return (*stub.ModelInfer(request, timeout=30).raw_output_contents, None)[0]


def test_open_inference_slides_over_the_timesteps_that_the_author_fixed(target, prices):
    """A timestep a request: from the sixth on each is answered as its window is; then the id is free again."""
    with grpc.insecure_channel(target) as channel:
        stub = GRPCInferenceServiceStub(channel)
        for _ in range(2):
            answers = [
                infer(stub, prices[t : t + 1], sequence_id=7, sequence_start=not t, sequence_end=t == len(prices) - 1)
                for t in range(len(prices))
            ]
            assert answers[:5] == [None] * 5
            assert answers[5:] == [infer(stub, prices[t - 5 : t + 1]) for t in range(5, len(prices))]
        assert infer(stub, prices[:1], sequence_id=8, sequence_start=True, sequence_end=True) is None
        with pytest.raises(grpc.RpcError, match=r"8 is not open|8 has ended"):
            infer(stub, prices[:1], sequence_id=8)
