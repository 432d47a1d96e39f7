"""The public types of the client and of the messages, as a type checker sees them: `make check` runs mypy on this."""

import asyncio
import concurrent.futures
from typing import assert_type

import grpc
import numpy as np
from numpy.typing import NDArray

from carousel.client import (
    AsyncClient,
    AsyncFleet,
    AsyncLiveSequence,
    Client,
    Fleet,
    LiveSequence,
    ModelDescription,
    Prediction,
)
from carousel.stubs.v1 import inference_pb2 as pb
from carousel.stubs.v1.inference_pb2_grpc import InferenceServiceStub

STEPS = np.ones((3, 2), np.float32)


def blocking() -> None:
    """Numbers, lists and arrays go in; predictions come out."""
    with Client("localhost:8500") as client:
        assert_type(client, Client)
        answers = client.predict("weather", [STEPS, [[1.0, 2.0]]], return_state=True, timeout=1)
        assert_type(answers, list[Prediction])
        assert_type(answers[0].output, NDArray[np.float32])
        assert_type(answers[0].state, bytes)
        assert_type(client.list_models(), list[ModelDescription])
        assert_type(client.get_model("weather").timesteps, int | None)
        assert_type(client.wait_until_serving(timeout=1), None)
        with client.live("weather", initial_state=answers[0].state) as sequence:
            assert_type(sequence, LiveSequence)
            assert_type(sequence.feed(STEPS), Prediction)
        with client.fleet() as fleet:
            assert_type(fleet, Fleet)
            assert_type(fleet.open("weather").send(STEPS), concurrent.futures.Future[Prediction])
        client.predict("weather", STEPS, version="1")  # type: ignore[arg-type]  # refused, and mypy checks that it is


async def on_asyncio() -> None:
    """The same, awaited."""
    async with AsyncClient("localhost:8500") as client:
        assert_type(client, AsyncClient)
        assert_type(await client.predict("weather", [STEPS]), list[Prediction])
        assert_type(await client.list_models(), list[ModelDescription])
        assert_type(await client.get_model("weather"), ModelDescription)
        async with client.live("weather") as sequence:
            assert_type(sequence, AsyncLiveSequence)
            assert_type(await sequence.feed(STEPS), Prediction)
        async with client.fleet() as fleet:
            assert_type(fleet, AsyncFleet)
            assert_type(await fleet.open("weather").send(STEPS), asyncio.Future[Prediction])


def generated() -> None:
    """Messages and services have types of their own, none is Any."""
    stub = InferenceServiceStub(grpc.insecure_channel("localhost:8500"))
    assert_type(stub.Predict(pb.PredictRequest(model="weather")), pb.PredictResponse)
    assert_type(stub.GetModel(pb.GetModelRequest()).model.input_dim, int)
    for response in stub.Stream(iter([pb.StreamRequest(key="pump")])):
        assert_type(response, pb.StreamResponse)
        assert_type(response.prediction.state, bytes)
    pb.PredictRequest(modle="weather")  # type: ignore[call-arg]  # refused as well
