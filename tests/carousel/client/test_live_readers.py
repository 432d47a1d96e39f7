"""Clients that stop reading, and clients that vanish, through a stock stub."""

import time

import grpc
import numpy as np

from carousel.client import Client
from carousel.stubs.v1 import inference_pb2 as pb
from carousel.stubs.v1.inference_pb2_grpc import InferenceServiceStub
from carousel.wire import write_tensor

MESSAGES = 600
STEPS = 20_000  # of 2 floats: 160 KB an answer


def settled(value):
    """Wait until a number stands still for half a second, and return it."""
    last, since = value(), time.monotonic()
    while time.monotonic() - since < 0.5:
        time.sleep(0.02)
        if value() != last:
            last, since = value(), time.monotonic()
    return last


def test_a_client_that_stops_reading_costs_bounded_memory_and_hurts_nobody(server):
    """The server reads no further while its answers wait; once they are read, every one of them arrives."""
    serving = server()
    tensor = pb.Tensor()
    write_tensor(np.ones((STEPS, 3), np.float32), tensor)
    sent = []

    def requests():
        for i in range(MESSAGES):
            request = pb.StreamRequest(key="slow", input=tensor)
            if not i:
                request.open.model, request.open.return_sequences = "small", True
            sent.append(i)
            yield request

    def unsent():
        return sum(stream._call.unsent for stream in serving.server._services.streams.all)

    def held():
        return sum(stream.held_bytes for stream in serving.server._services.streams.all)

    with grpc.insecure_channel(serving.target) as channel, Client(serving.target) as client:
        answers = InferenceServiceStub(channel).Stream(requests())
        settled(lambda: (len(sent), serving.on_loop(unsent), serving.on_loop(held)))
        assert len(sent) < MESSAGES
        assert serving.on_loop(unsent) < 8 << 20
        assert serving.on_loop(held) < 8 << 20
        assert client.predict("small", [np.ones((2, 3))])[0].output.shape == (2,)
        assert sum(1 for _ in answers) == MESSAGES


def test_a_client_that_vanishes_leaves_nothing_behind(server):
    """Its live sequences are closed, those it was still being answered for among them."""
    serving = server()
    step = np.ones((1, 3), np.float32)

    def sessions():
        return serving.on_loop(lambda: len(serving.server._sessions))

    client = Client(serving.target)
    fleet = client.fleet()
    for _ in range(50):
        fleet.open("small").feed(step)
    assert sessions() == 50
    fleet.open("small").send(np.ones((200_000, 3), np.float32))
    client._channel.close()
    deadline = time.monotonic() + 10
    while sessions() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert sessions() == 0
