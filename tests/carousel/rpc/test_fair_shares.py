"""Over real sockets: a flood is told to slow down, and whoever asks for little beside it is served.

No time is asserted: a polite call that was refused, or had to wait for the flood's promised work, would fail.
"""

import threading

import grpc
import numpy as np
import pytest

from carousel.errors import Overloaded
from carousel.stubs.v1 import inference_pb2 as v1
from carousel.stubs.v1.inference_pb2_grpc import InferenceServiceStub
from carousel.wire import DATA_TYPES, error_of

FLOAT32 = DATA_TYPES[np.dtype(np.float32)]
FLOODING, CALLS = 150, 15  # of the flood at a time; polite ones
LENGTH = 4000  # timesteps of every call, so that no polite one fits where none of the flood does
BOUND = 0.1  # seconds of work


def predict(model, timesteps, features=1):
    content = np.ones((timesteps, features), np.float32).tobytes()
    tensor = v1.Tensor(dtype=FLOAT32, shape=[timesteps, features], content=content)
    return v1.PredictRequest(model=model, inputs=[tensor])


class Flood:
    """As many calls without a deadline as fit, each made again as soon as it ends."""

    def __init__(self, target, model, metadata):
        self.refusals, self.others = [], []
        self._channel = grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)])
        self._stub, self._message, self._metadata = InferenceServiceStub(self._channel), model, metadata
        self._open = True
        self._slots = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.refused, self.answered = threading.Event(), threading.Event()

    def _run(self):
        for _ in range(FLOODING):
            self._slots.release()
        while self._open:
            if self._slots.acquire(timeout=1):
                call = self._stub.Predict.future(self._message, metadata=self._metadata)
                call.add_done_callback(self._ended)

    def _ended(self, call):
        if not self._open:
            return
        code = call.code()
        if code is grpc.StatusCode.OK:
            self.answered.set()
        elif code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            if len(self.refusals) < 20:
                details = dict(call.trailing_metadata())["grpc-status-details-bin"]
                self.refusals.append(error_of(code.value[0], call.details(), details))
            self.refused.set()
        else:
            self.others.append(code)
        self._slots.release()

    def __enter__(self):
        self._thread.start()
        assert self.refused.wait(60), "the flood never filled the bound"
        return self

    def __exit__(self, *_):
        self._open = False
        self._thread.join(30)
        self._channel.close()


@pytest.mark.parametrize(
    ("model", "features", "deadline"), [("relu50", 1, 60), ("relu50", 1, None), ("small", 3, None)]
)
def test_a_flood_is_told_to_slow_down_and_no_polite_call_is_refused(server, only, model, features, deadline):
    """On the flooded model, with a deadline and without, and on another one."""
    serving = server(
        repository=only("relu50", "small"), client_metadata="x-client", max_backlog_seconds=BOUND, reflection=False
    )
    with Flood(serving.target, predict("relu50", LENGTH), [("x-client", "flood")]) as flood:
        with grpc.insecure_channel(serving.target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub = InferenceServiceStub(channel)
            calls = [
                stub.Predict.with_call(
                    predict(model, LENGTH, features), timeout=deadline, metadata=[("x-client", "polite")]
                )
                for _ in range(CALLS)
            ]
        assert len(calls) == CALLS
        assert flood.answered.wait(60)
        assert flood.others == []
        assert all(isinstance(refusal, Overloaded) and refusal.retry_after > 0 for refusal in flood.refusals)


def test_without_a_key_clients_are_told_apart_by_address_not_by_connection(server):
    serving = server()
    seen = set()
    handler = serving.server._services.requests.submit

    def submit(request, *arguments):
        seen.add(request.client)
        return handler(request, *arguments)

    serving.on_loop(lambda: setattr(serving.server._services.requests, "submit", submit))
    for _ in range(2):
        with grpc.insecure_channel(serving.target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            InferenceServiceStub(channel).Predict(predict("small", 2, 3), timeout=30)
    assert seen == {"ipv4:127.0.0.1"}


def test_one_client_leaves_bytes_for_the_others(server):
    """Answers that wait are bounded by client too: who floods gets eight ninths, so that others find room."""
    serving = server(client_metadata="x-client", max_held_bytes=1 << 20)
    requests = serving.server._services.requests

    def fill():
        bytes_each, taken = 1 << 15, 0
        while True:
            try:
                requests._bound("flood", bytes_each)
            except Overloaded:
                break
            requests._hold("flood", bytes_each)
            taken += bytes_each
        requests._bound("polite", bytes_each)
        requests.release("flood", taken)
        return taken, requests.held_bytes, requests._held

    taken, left, held = serving.on_loop(fill)
    assert 0.8 < taken / (1 << 20) <= 8 / 9
    assert (left, held) == (0, {})
