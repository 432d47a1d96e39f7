"""How a client balances and asks again, over real sockets, before servers that answer as they are told, and count."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Event

import grpc
import numpy as np
import pytest

from carousel import errors
from carousel.client import AsyncClient, Client
from carousel.stubs.v1 import inference_pb2 as pb
from carousel.stubs.v1.inference_pb2_grpc import InferenceServiceServicer, add_InferenceServiceServicer_to_server
from carousel.wire import write_tensor

STEP = np.ones((1, 3), np.float32)


class Peer(InferenceServiceServicer):
    """A server that gives every request the same status."""

    def __init__(self) -> None:
        self.code = grpc.StatusCode.OK
        self.asked = 0
        self.go_on = Event()  # before which nobody is answered
        self.go_on.set()
        self._server = grpc.server(ThreadPoolExecutor(4))
        add_InferenceServiceServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def Predict(self, _, context):  # noqa: N802 - gRPC's name
        self.asked += 1
        self.go_on.wait(30)
        if self.code is not grpc.StatusCode.OK:
            context.abort(self.code, "as told")
        response = pb.PredictResponse()
        write_tensor(STEP[0], response.predictions.add().output)
        return response

    def end(self) -> None:
        self._server.stop(None).wait()


@contextmanager
def blocking(target: str) -> Iterator[Callable]:
    with Client(target) as client:
        yield lambda: client.predict("any", [STEP], timeout=30)


@contextmanager
def on_asyncio(target: str) -> Iterator[Callable]:
    async def made() -> AsyncClient:
        return AsyncClient(target)

    with asyncio.Runner() as runner:
        client = runner.run(made())
        yield lambda: runner.run(client.predict("any", [STEP], timeout=30))
        runner.run(client.close())


@pytest.fixture(params=[blocking, on_asyncio])
def meet(request) -> Iterator[Callable]:
    """Start so many servers, and a client of all: gives how it asks once, and the servers."""
    with ExitStack() as ends:

        def start(number: int) -> tuple[Callable, list[Peer]]:
            peers = [Peer() for _ in range(number)]
            for peer in peers:
                ends.callback(peer.end)
            ask = ends.enter_context(request.param("ipv4:" + ",".join(peer.address for peer in peers)))
            while not all(peer.asked for peer in peers):  # until there is a connection to each
                ask()
            for peer in peers:
                peer.asked = 0
            return ask, peers

        yield start


def test_requests_are_shared_evenly(meet):
    """Round robin: each server gets every third request, over one client."""
    ask, peers = meet(3)
    for _ in range(30):
        ask()
    assert [peer.asked for peer in peers] == [10, 10, 10]


def test_a_server_that_is_unavailable_is_passed_over(meet):
    """UNAVAILABLE is asked again elsewhere, and the caller does not hear of it."""
    ask, (refusing, other) = meet(2)
    refusing.code = grpc.StatusCode.UNAVAILABLE
    for _ in range(4):
        ask()
    assert refusing.asked > 0
    assert other.asked == 4


def test_asking_again_has_a_budget(meet):
    """Where every server is unavailable, a request is sent four times at first, and soon once: no storm."""
    ask, [refusing] = meet(1)
    refusing.code = grpc.StatusCode.UNAVAILABLE
    sent = []
    for _ in range(20):
        refusing.asked = 0
        with pytest.raises(errors.Unreachable):
            ask()
        sent.append(refusing.asked)
    assert sent == [4, *[1] * 19]


@pytest.mark.parametrize("code", ["RESOURCE_EXHAUSTED", "INTERNAL", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED"])
def test_what_would_fail_again_is_asked_once(meet, code):
    """A full server is not asked again by those it refused, nor is a request that was wrong."""
    ask, [refusing] = meet(1)
    refusing.code = grpc.StatusCode[code]
    with pytest.raises(errors.CarouselError):
        ask()
    assert refusing.asked == 1


def test_a_slow_answer_is_not_asked_for_twice(meet):
    """There is no hedging: one request is one server's work."""
    ask, peers = meet(2)
    for peer in peers:
        peer.go_on.clear()
    with ThreadPoolExecutor(1) as aside:
        answer = aside.submit(ask)
        with pytest.raises(TimeoutError):
            answer.result(2)
        for peer in peers:
            peer.go_on.set()
        answer.result(30)
    assert sum(peer.asked for peer in peers) == 1
