"""ModelStreamInfer and live sequences by sequence_id, over both kinds of call."""

import asyncio
import queue
import time

import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import service_pb2 as pb
from tritonclient.utils import InferenceServerException


@pytest.fixture
def stream(target):
    """A stream, and the queue of its (answer, error)s."""
    answers: queue.SimpleQueue = queue.SimpleQueue()
    with triton.InferenceServerClient(target) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        yield client, lambda: answers.get(timeout=30)


def refused(call, *arguments, **options) -> tuple[str, str]:
    with pytest.raises(InferenceServerException) as caught:
        call(*arguments, **options)
    return caught.value.status().removeprefix("StatusCode."), caught.value.message()


def test_a_stream_answers_in_order_and_an_error_leaves_it_open(server, stream, draw, given):
    client, answer = stream
    tensors = [draw(1, timesteps, 3) for timesteps in (40, 1, 7)]
    client.async_stream_infer("small", given(inputs=tensors[0]), request_id="a")
    client.async_stream_infer("nobody", given(inputs=tensors[1]), request_id="b")
    client.async_stream_infer("small", given(inputs=draw(1, 2, 5)), request_id="c")
    client.async_stream_infer("small", given(inputs=tensors[1]), request_id="d", enable_empty_final_response=True)
    client.async_stream_infer("small", given(inputs=tensors[2]), request_id="e")
    (a, _), (_, b), (_, c), (d, _), (e, _) = [answer() for _ in range(5)]
    assert b.message().startswith("Request for unknown model: 'nobody'")
    assert "input_dim 5" in c.message()
    assert [each.get_response().id for each in (a, d, e)] == ["a", "d", "e"]
    assert d.get_response().parameters["triton_final_response"].bool_param
    for each, tensor in zip((a, d, e), tensors, strict=True):
        alone = server.infer("small", given(inputs=tensor))
        assert each.as_numpy("sequence").tobytes() == alone.as_numpy("sequence").tobytes()


@pytest.mark.parametrize("sequence", [71, "seventy-one"])
def test_a_live_sequence_gives_the_bits_of_one_whole_request(server, stream, draw, given, wanted, sequence):
    """Its requests may come on any call, with any number of timesteps, and ask for any outputs."""
    client, answer = stream
    inputs = draw(1, 12, 64)
    whole = server.infer("stack", given(inputs=inputs)).as_numpy("sequence")
    first = server.infer("stack", given(inputs=inputs[:, :1]), sequence_id=sequence, sequence_start=True)
    assert first.as_numpy("sequence").tobytes() == whole[:, :1].tobytes()
    for begin, end in ((1, 4), (4, 5), (5, 9)):
        client.async_stream_infer("stack", given(inputs=inputs[:, begin:end]), sequence_id=sequence)
    for begin, end in ((1, 4), (4, 5), (5, 9)):
        assert answer()[0].as_numpy("sequence").tobytes() == whole[:, begin:end].tobytes()
    last = server.infer(
        "stack", given(inputs=inputs[:, 9:]), sequence_id=sequence, sequence_end=True, outputs=wanted("last_step")
    )
    assert last.as_numpy("last_step").tobytes() == whole[:, -1].tobytes()


def test_states_start_a_live_sequence(server, draw, given, wanted, states):
    inputs = draw(1, 6, 3)
    whole = server.infer("small", given(inputs=inputs)).as_numpy("sequence")
    first = server.infer("small", given(inputs=inputs[:, :2]), outputs=wanted(*states("small")))
    found = {name: first.as_numpy(name) for name in reversed(states("small"))}
    once = {"sequence_id": 5, "sequence_start": True, "sequence_end": True}
    second = server.infer("small", given(inputs=inputs[:, 2:], **found), **once)
    assert second.as_numpy("sequence").tobytes() == whole[:, 2:].tobytes()


def test_the_faults_of_a_live_sequence_are_named_and_leave_it_as_it_was(server, draw, given, states):
    inputs = given(inputs=draw(1, 1, 3))
    infer = server.infer
    code, message = refused(infer, "small", inputs, sequence_id=9)
    assert (code, message) == (
        "INVALID_ARGUMENT",
        "parameters.sequence_id: 9 is not open; its first request sets sequence_start",
    )
    infer("small", inputs, sequence_id=9, sequence_start=True)
    assert "9 is open already" in refused(infer, "small", inputs, sequence_id=9, sequence_start=True)[1]
    assert "'9' is not open" in refused(infer, "small", inputs, sequence_id="9")[1]
    two = given(inputs=draw(2, 1, 3))
    assert "has 2 samples; a live sequence is one" in refused(infer, "small", two, sequence_id=9)[1]
    assert "parameters.timeout: is not taken" in refused(infer, "small", inputs, sequence_id=9, timeout=5)[1]
    assert "not 7" in refused(infer, "small", inputs, sequence_id=9, model_version="7")[1]
    started = given(inputs=draw(1, 1, 3), **{name: draw(1, 4) for name in states("small")})
    assert "only the request with sequence_start" in refused(infer, "small", started, sequence_id=9)[1]
    infer("small", inputs, sequence_id=9, sequence_end=True)
    assert "9 has ended" in refused(infer, "small", inputs, sequence_id=9)[1]
    infer("small", inputs, sequence_id=9, sequence_start=True, sequence_end=True)


def test_requests_of_one_live_sequence_in_flight_together_ride_in_order(server, target, draw, given):
    inputs = draw(1, 200, 64)
    whole = server.infer("stack", given(inputs=inputs)).as_numpy("sequence")

    async def requests():
        for t in range(200):
            yield {
                "model_name": "stack",
                "inputs": given(inputs=inputs[:, t : t + 1]),
                "sequence_id": 44,
                "sequence_start": t == 0,
                "sequence_end": t == 199,
            }

    async def ask() -> list[np.ndarray]:
        async with triton_aio.InferenceServerClient(target) as client:
            return [result.as_numpy("sequence") async for result, error in client.stream_infer(requests()) if not error]

    assert np.concatenate(asyncio.run(ask()), axis=1).tobytes() == whole.tobytes()


def test_an_expired_or_unloaded_sequence_is_said_to_be_so(strict, draw, given):
    inputs = given(inputs=draw(1, 1, 3))
    with triton.InferenceServerClient(strict) as server:
        server.infer("small", inputs, sequence_id=1, sequence_start=True)
        deadline = time.monotonic() + 30
        code, message = "", ""
        while time.monotonic() < deadline and code != "NOT_FOUND":
            time.sleep(2.1)  # longer than it may be idle, and than the server takes to look
            code, message = refused(server.infer, "small", inputs, sequence_id=1)
        assert "live sequence 1 was idle for" in message
        server.infer("small", inputs, sequence_id=2, sequence_start=True)
        server.unload_model("small")
        server.load_model("small")
        code, message = refused(server.infer, "small", inputs, sequence_id=2)
        assert (code, "start sequence 2 again" in message) == ("UNAVAILABLE", True)


def test_a_stream_whose_client_leaves_holds_nothing(server, target, draw, given):
    client = triton.InferenceServerClient(target)
    client.start_stream(lambda **_: None)
    for _ in range(50):
        client.async_stream_infer("stack", given(inputs=draw(4, 500, 64)))
    client.stop_stream(cancel_requests=True)
    client.close()
    assert server.infer("stack", given(inputs=draw(1, 1, 64))).as_numpy("last_step").shape == (1, 256)


def test_a_message_that_is_none_ends_its_call_alone(target, server, draw, given):
    with triton.grpc.insecure_channel(target) as channel:
        method = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
        with pytest.raises(triton.grpc.RpcError) as caught:
            list(method(iter([b"\xff" * 9])))
        assert caught.value.code().name == "INVALID_ARGUMENT"
        empty = method(iter([pb.ModelInferRequest(id="x").SerializeToString()]))
        [response] = [pb.ModelStreamInferResponse.FromString(each) for each in empty]
        assert (response.infer_response.id, response.error_message[:25]) == ("x", "Request for unknown model")
    assert server.infer("small", given(inputs=draw(1, 1, 3)))
